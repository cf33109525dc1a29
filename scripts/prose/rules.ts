/**
 * What plain technical English means here, as patterns over one sentence. Each rule names what is
 * wrong and what to write instead. Code, quotations and links are ¤ and never match.
 */
import type { Sentence } from "./sentences.ts";

export interface Finding {
  readonly rule: "clause" | "word" | "term" | "actor" | "inversion";
  readonly found: string;
  readonly advice: string;
}

type Pattern = readonly [pattern: RegExp, advice: string];

const NAME_IT = "name the actor or the thing with a noun";

/** Verbs (and the like) that an indirect question follows: "says what failed" asks "what failed?". */
const ASKING = new RegExp(
  "\\b(?:say|said|tell|told|show|know|knew|see\\b|decid|determin|explain|describ|document|state|ask|report|find\\w* out|" +
    "found out|learn|check|name|defin|specif|depend|matter|regardless|question|wonder|guess|judg|choos|chose|understand)" +
    "\\w*(?: (?:out|up|on|to|of|you|it|them|the \\w+|a \\w+|in advance|exactly|only|also|by|at|first|itself|once))*[,:]?(?: not)? $",
  "i",
);
const ENUMERATED =
  /\b(?:what|why|how|who|whether|(?<!, )which)\b[^.;:]{1,50}(?:,|\band|\bor|\bnor|\bbut)(?: (?:and|or))?(?: also| not)? $/i;
/** "what to do", "what if", "what kind of", "so what" are no subject and no object. */
const NO_CLAUSE = /^what(?:'s next\b| to\b| if\b| kinds?\b| sorts?\b| about\b|ever\b|[?!.,;:)]|$)/i;
/** A list of questions: "two sentences: what failed and why". */
const LISTED = /^what \w+(?: \w+)?,? (?:and |or )?(?:why|how|what|where|when)\b/;
const PERSON =
  /\b(?:users?|people|persons?|operators?|callers?|clients?|owners?|peers?|attackers?|readers?|contributors?|maintainers?|developers?|authors?|programmers?|subscribers?|listeners?|holders?|admins?|administrators?|root|somebody|nobody|someone|process(?:es)?|workers?|members?|colleagues?|strangers?|visitors?|customers?)[,]? $/i;

const WORDS: readonly Pattern[] = [
  [/\bmend(?:s|ed|ing)?\b/i, "write fix"],
  [/\banew\b/i, "write again"],
  [/\bbeside\b/i, "write next to, or in addition to"],
  [/\bof (?:its|their|his|her) own\b(?! \w+ing\b)/i, "write its own …"],
  [/\bso many\b(?! that\b)/i, "write n, or the number"],
  [/\bnobody\b/i, "write no process, no caller, no client"],
  [/\bsomebody\b/i, "write another process, a caller, a client"],
  [
    /\b(?:tells|told|tell|telling)\b(?!(?: [^ ,;]+){1,8} apart\b|(?: [^ ,;]+){1,4} from\b|(?: [^ ,;]+){0,4} to [a-z])/i,
    "write report, notify, show or say",
  ],
  [/\blook(?:s|ed|ing)? after\b/i, "write read, poll, check, manage"],
  [
    /\b(?:goes|go|went|going) on(?=[.,;:)]|$| (?:with|as|after|while|when|until|where|and|but|without|for|running|serving|waiting|working)\b)/i,
    "write continues",
  ],
  [/\bbef(?:all|alls|ell|allen)\b/i, "write happen to"],
  [/\bmeanwhile\b/i, "write at the same time, or until then"],
  [/\bto be had\b/i, "write available"],
  [/\bhow (?:it|they) (?:is|are|was|were)(?=[.,;:)]|$)/i, "write its state, or status"],
];

const TERMS: readonly (readonly [RegExp, string, where?: RegExp])[] = [
  [/\b(?:doorbells?|rings? the bell|the bell)\b/i, "write wakeup"],
  [/\bwish(?:es)?\b/i, "write cancel request, or request"],
  [
    /\b(?:put|puts|putting|gives?|given|gave) (?:\w+ )?back to the (?:queue|store|wait)\w*/i,
    "write requeue",
  ],
  [/\bputs? back\b/i, "write requeue, or roll back", /src\/(?:jobs|bullmq|pool)/],
  [/\bvigil\b/i, "write liveness, heartbeat, hello timeout"],
  [/\bfrugal(?:ly|ity)?\b/i, "write low-memory"],
  [/\bleftovers\b/i, "write orphaned files"],
  [/\btake-back\b/i, "write socket recovery", /kernel/i],
  [/\babsences?\b/i, "write restart tracker", /supervisor/],
  [/\bbring-up\b/i, "write apply changes"],
  [/\b(?:fate|fates)\b/i, "write pending rejection, or outcome"],
  [/\blifespans?\b/i, "write shutdown, or lifetime"],
  [/\ballowances?\b/i, "write in-flight window", /pool/],
  [/\bseats?\b/i, "write worker slot"],
  [/\bkeepers?\b/i, "write attempt journal, or store", /jobs|bullmq/],
  [/\bmakers?\b/i, "write factory", /singleton/],
  [/\battachments?\b/i, "write owner connection", /singleton/],
  [/\bpatiently\b/i, "write with retries while it is busy"],
  [
    /\b(?:takes?|took|taken|taking) (?:(?:it|them|one|this) )?in(?=[.,;]|$)/i,
    "write register, or accept",
  ],
  [/\bincarnations?\b/i, "write generation"],
  [/\bcop(?:y|ies) of (?:a|the|its|one|each|every) services?\b/i, "write replica", /./],
  [/\bhouse\b/i, "write architecture"],
  [/\bfloors?\b/i, "write layer", /ARCHITECTURE|CONTRIBUTING/],
];

const ACTORS: readonly Pattern[] = [
  [
    /^(?:The ones?|Those|All|He|They|Anyone|Everyone|Everybody) (?:that|who|which|whose|whom)\b/,
    NAME_IT,
  ],
  [/\b(?:the ones?|those|he|anyone|everyone|anybody|everybody) (?:who|whose|whom)\b/i, NAME_IT],
  [/\ball (?:there is|that is)\b/i, NAME_IT],
  [/\b(?:that|those) which\b/i, NAME_IT],
];
const NO_ANTECEDENT =
  /^(?:It|They|He|Them|Those)\b(?! (?:is|are) (?:possible|necessary|safe|important|enough))/;

const INVERSIONS: readonly Pattern[] = [
  [
    /(?:^|\b(?:as|because|since|that) |[:;,] )to (?!be\b)[a-z]+(?: (?!that|which|when|if)\w+){0,5} (?:takes|costs|means|needs|would|is)\b/i,
    "write Doing X takes …",
  ],
];

/** What is not plain in one sentence; empty for a plain one. */
export function findingsOf(sentence: Sentence): Finding[] {
  const { prose, file } = sentence;
  return [
    ...clauses(sentence),
    ...matches("word", WORDS, prose),
    ...matches(
      "term",
      TERMS.filter(([, , where]) => where === undefined || where.test(file)).map(
        ([pattern, advice]) => [pattern, advice],
      ),
      prose,
    ),
    ...actors(sentence),
    ...matches("inversion", INVERSIONS, prose),
  ];
}

function matches(rule: Finding["rule"], patterns: readonly Pattern[], prose: string): Finding[] {
  return patterns.flatMap(([pattern, advice]) => {
    const found = pattern.exec(prose)?.[0].trim();
    return found === undefined ? [] : [{ rule, found: found.replace(/¤+/g, "¤"), advice }];
  });
}

function clauses({ prose, role, opens }: Sentence): Finding[] {
  if (prose.endsWith("?")) return [];
  const found: string[] = [];
  for (const { 0: word, index } of prose.matchAll(
    /\b(?:who(?:m|ever|mever)?|what(?:ever|soever)?)\b/gi,
  )) {
    const before = prose.slice(0, index);
    const from = prose.slice(index);
    if (!isAllowed(word.toLowerCase(), before, from, role === "heading")) {
      found.push(from.replace(/¤+/g, "¤").split(/\s+/).slice(0, 3).join(" "));
    }
  }
  if (opens && /^Where\b[^,]*$/.test(prose)) found.push("Where");
  return found.map((text) => ({ rule: "clause", found: text, advice: NAME_IT }));
}

function isAllowed(word: string, before: string, from: string, inHeading: boolean): boolean {
  if (word.endsWith("ever")) return false;
  if (before === "" && inHeading) return true;
  if (/(?:^|[:,(] )$/.test(before) && LISTED.test(from)) return true;
  if (ASKING.test(before) || ENUMERATED.test(before)) return true;
  if (word === "what") return NO_CLAUSE.test(from);
  return PERSON.test(before) || /^who (?:is|am) ¤/i.test(from);
}

function actors({ prose, opens, kind }: Sentence): Finding[] {
  const found = matches("actor", ACTORS, prose);
  if (!opens || kind === "titles" || kind === "errors") return found;
  return [...found, ...matches("actor", [[NO_ANTECEDENT, NAME_IT]], prose)];
}
