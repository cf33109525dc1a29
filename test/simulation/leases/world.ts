import type { Lease, Renewal } from "../../../src/jobs/server/lease-book.ts";
import { Random } from "../random.ts";
import {
  type Attempt,
  INVARIANTS,
  type Invariant,
  type MakeBook,
  type Server,
  type SimulatedRun,
  type Violation,
} from "./model.ts";
import { type SimulatedEnd, type SimulatedJob, SimulatedStore } from "./store.ts";

const LOCK_MS = 900;
const TICK_MS = LOCK_MS / 6;
/** A call to the store, there or back; a third of the lock is left for a write that was allowed without asking. */
const LATENCY_MS = [1, 60] as const;
/** How long an attempt without its job may go unnoticed by a server that is awake. */
const UNNOTICED_MS = LOCK_MS / 3 + 2 * TICK_MS;
/** A fault that is shorter costs no lease, if it comes alone. */
const SHORT_MS = LOCK_MS / 4;
/** The answer to an end may be late. */
const LATE_MS = 2 * LOCK_MS;
const JOBS = 6;
const SERVERS = 3;
const PERMITS = 3;
/** Faults happen until then; then all has to come to its end. */
const FAULTS_MS = 20_000;
const QUIET_MS = 30_000;
const FAULTS = ["stop", "cut", "kill"] as const;
const ENDS: readonly SimulatedEnd[] = ["done", "retry", "retry", "back off", "park", "give back"];

/** Runs job servers against a store, with faults, from a seed. */
export function simulate(seed: number, make: MakeBook, keepLog = false): SimulatedRun {
  return new World(seed, make, keepLog).run();
}

class World {
  readonly #random: Random;
  readonly #make: MakeBook;
  readonly #lapses: boolean;
  readonly #store: SimulatedStore;
  readonly #servers: Server[];
  readonly #queue: { atMs: number; act: () => void }[] = [];
  readonly #checks = new Map<Invariant, number>(INVARIANTS.map((each) => [each, 0]));
  readonly #violations: Violation[] = [];
  readonly #log: string[] = [];
  readonly #keepLog: boolean;
  #nowMs = 0;
  #steps = 0;

  constructor(seed: number, make: MakeBook, keepLog: boolean) {
    this.#random = new Random(seed);
    this.#make = make;
    this.#keepLog = keepLog;
    this.#lapses = this.#random.chance(0.7);
    this.#store = new SimulatedStore(JOBS, { lockMs: LOCK_MS, lapses: this.#lapses });
    this.#servers = Array.from({ length: SERVERS }, (_, number) => this.#newServer(number));
  }

  #newServer(number: number): Server {
    return {
      number,
      book: this.#make({ lockMs: LOCK_MS, lapses: this.#lapses }),
      generation: 0,
      frozenUntilMs: 0,
      cutUntilMs: 0,
      faultMs: Number.NEGATIVE_INFINITY,
      attempts: new Set(),
      inbox: [],
      tokens: Array.from({ length: PERMITS }, (_, at) => `${number}:${at}`),
    };
  }

  run(): SimulatedRun {
    for (const server of this.#servers) this.#every(TICK_MS, () => this.#tick(server), server);
    for (const server of this.#servers) this.#every(97, () => this.#take(server), server);
    this.#every(LOCK_MS, () => this.#recover());
    this.#every(211, () => this.#fault());
    this.#every(TICK_MS, () => this.#judge());
    while (this.#nowMs < QUIET_MS + FAULTS_MS && this.#violations.length === 0) {
      const next = this.#queue.shift();
      if (next === undefined || this.#isDone()) break;
      this.#nowMs = next.atMs;
      this.#steps += 1;
      next.act();
    }
    if (this.#violations.length === 0) this.#judgeEnd();
    return {
      steps: this.#steps,
      checks: this.#checks,
      violations: this.#violations,
      log: this.#log,
    };
  }

  #isDone(): boolean {
    const isEnded = this.#store.jobs.every(({ state }) => state === "ended");
    return isEnded && this.#servers.every(({ attempts }) => attempts.size === 0);
  }

  #at(atMs: number, act: () => void): void {
    let place = this.#queue.length;
    while (place > 0 && (this.#queue[place - 1]?.atMs ?? 0) > atMs) place -= 1;
    this.#queue.splice(place, 0, { atMs, act });
  }

  /** @param server - which skips it while it stands still */
  #every(ms: number, act: () => void, server?: Server): void {
    const again = (): void => {
      if (server === undefined || !this.#isFrozen(server)) act();
      this.#at(this.#nowMs + ms, again);
    };
    this.#at(this.#nowMs + this.#random.between(0, Math.floor(ms)), again);
  }

  #note(what: string): void {
    if (this.#keepLog) this.#log.push(`${Math.round(this.#nowMs)} ms: ${what}`);
  }

  #check(invariant: Invariant, holds: boolean, what: () => string): void {
    this.#checks.set(invariant, (this.#checks.get(invariant) ?? 0) + 1);
    if (!holds) this.#violations.push({ invariant, atMs: this.#nowMs, what: what() });
  }

  #isFrozen({ frozenUntilMs }: Server): boolean {
    return frozenUntilMs > this.#nowMs;
  }

  /** Calls the store: there, and back to a server that may stand still by then. A cut connection fails the call. */
  #call<Answer>(
    server: Server,
    ask: () => Answer,
    answered: (answer: Answer | undefined) => void,
    lateMs = 0,
  ): void {
    const { generation } = server;
    const [least, most] = LATENCY_MS;
    const isCut = server.cutUntilMs > this.#nowMs;
    const back = (answer: Answer | undefined): void =>
      this.#at(this.#nowMs + this.#random.between(least, most) + lateMs, () => {
        if (server.generation !== generation) return;
        if (this.#isFrozen(server)) server.inbox.push(() => answered(answer));
        else answered(answer);
      });
    if (isCut) back(undefined);
    else this.#at(this.#nowMs + this.#random.between(least, most), () => back(ask()));
  }

  #take(server: Server): void {
    const token = server.tokens.pop();
    if (token === undefined) return;
    const askedMs = this.#nowMs;
    this.#call(
      server,
      () => {
        const job = this.#store.take(token, this.#nowMs);
        return job === undefined ? null : { job, taking: job.taking };
      },
      (taken) => {
        if (taken) this.#begin(server, token, askedMs, taken);
        else server.tokens.push(token);
      },
    );
  }

  #begin(
    server: Server,
    token: string,
    askedMs: number,
    { job, taking }: { readonly job: SimulatedJob; readonly taking: number },
  ): void {
    const { lease, lost } = server.book.take(job.id, token, askedMs);
    const isHealthy =
      server.frozenUntilMs < this.#nowMs - LOCK_MS && server.cutUntilMs < this.#nowMs;
    const attempt: Attempt = {
      server,
      lease,
      job,
      taking,
      isTold: false,
      isExecuting: true,
      unnoticedMs: 0,
      isHealthy,
      writes: 0,
      fullTimes: this.#random.chance(0.1) ? this.#random.between(1, 20) : 0,
    };
    server.attempts.add(attempt);
    this.#tell(server, lost);
    server.book.move(lease, "begin");
    this.#note(`server ${server.number} executes ${job.id}, taking ${taking}`);
    this.#work(attempt, this.#random.between(0, 12));
  }

  /** The process writes from time to time, and ends: by itself, by a kill, or on request. */
  #work(attempt: Attempt, writes: number): void {
    const { server } = attempt;
    const { generation } = server;
    this.#at(this.#nowMs + this.#random.between(20, 400), () => {
      if (server.generation !== generation) return;
      const act = (): void => {
        if (writes === 0 || attempt.isTold) {
          if (attempt.isTold) this.#write(attempt, 3);
          this.#end(attempt);
        } else {
          this.#write(attempt, 3);
          this.#work(attempt, writes - 1);
        }
      };
      if (writes === 0 || attempt.isTold) attempt.isExecuting = false;
      if (this.#isFrozen(server)) server.inbox.push(act);
      else act();
    });
  }

  #write(attempt: Attempt, tries: number): void {
    const { server, lease } = attempt;
    const permission = server.book.mayWrite(lease, this.#nowMs);
    if (permission === "no" || (permission === "ask" && tries === 0)) return;
    attempt.writes += 1;
    const written = (): void => {
      attempt.writes -= 1;
    };
    if (permission === "yes") this.#call(server, () => this.#judgeWrite(attempt), written);
    else
      this.#renew(server, server.book.renewal(lease, this.#nowMs), () => {
        written();
        this.#write(attempt, tries - 1);
      });
  }

  #judgeWrite({ server, job, taking }: Attempt): void {
    this.#check(
      "a write lands only while its attempt has the job",
      job.state === "active" && job.taking === taking,
      () => `server ${server.number} wrote to ${job.id} in taking ${taking}`,
    );
  }

  #renew(server: Server, renewal: Renewal, then: () => void = () => undefined): void {
    const ids = renewal.leases.map(({ id }) => id);
    const tokens = renewal.leases.map(({ token }) => token);
    this.#call(
      server,
      () => this.#store.renew(ids, tokens, this.#nowMs),
      (refused) => {
        if (refused === undefined) server.book.unanswered(renewal);
        else this.#tell(server, server.book.answered(renewal, refused));
        then();
      },
    );
  }

  #tell(server: Server, leases: readonly Lease[]): void {
    for (const { serial } of leases)
      for (const attempt of server.attempts)
        if (attempt.lease.serial === serial) {
          attempt.isTold = true;
          this.#note(`server ${server.number} loses ${attempt.job.id}, taking ${attempt.taking}`);
          this.#check(
            "a lease of a healthy server is never lost",
            !attempt.isHealthy,
            () => `server ${server.number} lost ${attempt.job.id}`,
          );
        }
  }

  #end(attempt: Attempt): void {
    const { server, lease } = attempt;
    attempt.isExecuting = false;
    if (attempt.writes > 0) {
      const { generation } = server;
      this.#at(this.#nowMs + 20, () => {
        if (server.generation !== generation) return;
        if (this.#isFrozen(server)) server.inbox.push(() => this.#end(attempt));
        else this.#end(attempt);
      });
      return;
    }
    if (!server.book.move(lease, "settle")) {
      this.#close(attempt);
      return;
    }
    this.#storeEnd(attempt, this.#nowMs > FAULTS_MS ? "done" : this.#random.pick(ENDS));
  }

  #storeEnd(attempt: Attempt, end: SimulatedEnd): void {
    const { server, lease, job } = attempt;
    const isFull = attempt.fullTimes > 0;
    attempt.fullTimes -= 1;
    this.#call(
      server,
      () => (isFull ? undefined : this.#store.end(job.id, lease.token, end, this.#nowMs)),
      (accepted) => {
        if (accepted === undefined) {
          this.#at(this.#nowMs + 100, () => this.#again(attempt, end));
          return;
        }
        this.#note(`${job.id}, taking ${attempt.taking}: ${accepted ? end : "refused"}`);
        if (!accepted) {
          this.#check(
            "a lease of a healthy server is never lost",
            !attempt.isHealthy,
            () => `the end of ${job.id} was refused`,
          );
          server.book.move(lease, "refuse");
        }
        this.#close(attempt);
      },
      this.#random.chance(0.1) ? LATE_MS : 0,
    );
  }

  /** The store could not be reached. */
  #again(attempt: Attempt, end: SimulatedEnd): void {
    const { server } = attempt;
    if (!server.attempts.has(attempt)) return;
    if (this.#isFrozen(server)) server.inbox.push(() => this.#storeEnd(attempt, end));
    else this.#storeEnd(attempt, end);
  }

  #close(attempt: Attempt): void {
    const { server, lease } = attempt;
    server.book.move(lease, "close");
    server.attempts.delete(attempt);
    server.tokens.push(lease.token);
  }

  #tick(server: Server): void {
    const nowMs = this.#nowMs;
    this.#tell(server, server.book.lapse(nowMs));
    for (const renewal of server.book.renewals(nowMs)) this.#renew(server, renewal);
  }

  /** On a file, jobs of a process that works are not put back. */
  #recover(): void {
    if (this.#servers.every(({ cutUntilMs }) => cutUntilMs > this.#nowMs)) return;
    const isOver = (job: SimulatedJob): boolean => {
      const owner = this.#ownerOf(job);
      if (owner === undefined) return true;
      return this.#lapses || this.#isFrozen(owner);
    };
    for (const job of this.#store.recover(this.#nowMs, isOver)) {
      this.#note(`${job.id} is put back`);
      const attempts = this.#servers.flatMap(({ attempts }) => [...attempts]);
      this.#check(
        "a lease of a healthy server is never lost",
        attempts.every(({ taking, isHealthy }) => taking !== job.taking || !isHealthy),
        () => `${job.id} was put back while a healthy server has it`,
      );
    }
  }

  #ownerOf({ taking }: SimulatedJob): Server | undefined {
    return this.#servers.find(({ attempts }) =>
      attempts.values().some((attempt) => attempt.taking === taking),
    );
  }

  /** A server that is awake soon aborts an attempt whose job another attempt has. */
  #judge(): void {
    for (const server of this.#servers)
      for (const attempt of server.attempts) {
        const isCurrent = attempt.job.taking === attempt.taking;
        if (isCurrent || attempt.isTold || !attempt.isExecuting) attempt.unnoticedMs = 0;
        else if (!this.#isFrozen(server)) attempt.unnoticedMs += TICK_MS;
        this.#check(
          "an attempt that has lost its job is told soon",
          attempt.unnoticedMs <= UNNOTICED_MS,
          () => `server ${server.number} executes ${attempt.job.id}, which another one has`,
        );
      }
  }

  #fault(): void {
    if (this.#nowMs > FAULTS_MS || !this.#random.chance(0.25)) return;
    const server = this.#random.pick(this.#servers);
    if (this.#isFrozen(server)) return;
    const forMs = this.#random.between(50, 3 * LOCK_MS);
    const fault = this.#random.pick(FAULTS);
    for (const each of this.#lapses ? [server] : this.#servers) {
      const isShort = forMs < SHORT_MS && this.#nowMs - each.faultMs > 2 * LOCK_MS;
      each.faultMs = this.#nowMs;
      if (!isShort || fault === "kill")
        for (const attempt of each.attempts) attempt.isHealthy = false;
    }
    this.#note(`server ${server.number}: ${fault} ${forMs}`);
    if (fault === "kill") this.#kill(server);
    else if (fault === "cut")
      // A file that cannot be written is so for all.
      for (const each of this.#lapses ? [server] : this.#servers)
        each.cutUntilMs = this.#nowMs + forMs;
    else {
      server.frozenUntilMs = this.#nowMs + forMs;
      this.#at(server.frozenUntilMs, () => {
        for (const act of server.inbox.splice(0)) act();
      });
    }
  }

  /** Its processes end with it; another server takes its place. */
  #kill(server: Server): void {
    server.generation += 1;
    server.book = this.#make({ lockMs: LOCK_MS, lapses: this.#lapses });
    server.attempts.clear();
    server.inbox.length = 0;
    const life = `${server.number}.${server.generation}`;
    server.tokens.splice(
      0,
      server.tokens.length,
      ...Array.from({ length: PERMITS }, (_, at) => `${life}:${at}`),
    );
  }

  #judgeEnd(): void {
    for (const job of this.#store.jobs)
      this.#check("every job ends", job.state === "ended", () => `${job.id} is ${job.state}`);
    for (const { number, book } of this.#servers)
      this.#check(
        "a lease that is over is forgotten",
        book.size === 0,
        () => `server ${number} has ${book.size} leases`,
      );
  }
}
