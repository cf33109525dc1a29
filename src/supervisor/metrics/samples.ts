import type { MetricFamily, MetricSample } from "../api.ts";
import { FAMILIES, type Family, type FamilyName } from "./families.ts";

type Labels = Readonly<Record<string, string>>;

/** Collects samples by family, in the order of {@link FAMILIES}. */
export class Samples {
  readonly #byFamily = new Map<FamilyName, MetricSample[]>();

  add(family: FamilyName, labels: Labels, value: number): void {
    this.#samples(family).push({ labels, value });
  }

  addHistogram(family: FamilyName, labels: Labels, histogram: MetricSample["histogram"]): void {
    if (histogram !== undefined)
      this.#samples(family).push({ labels, value: histogram.count, histogram });
  }

  /** The families that have samples. */
  get families(): readonly MetricFamily[] {
    const names = Object.keys(FAMILIES) as FamilyName[];
    return names.flatMap((name) => {
      const samples = this.#byFamily.get(name);
      const family: Family = FAMILIES[name];
      return samples === undefined ? [] : [{ name, ...family, samples }];
    });
  }

  #samples(family: FamilyName): MetricSample[] {
    const known = this.#byFamily.get(family);
    if (known !== undefined) return known;
    const samples: MetricSample[] = [];
    this.#byFamily.set(family, samples);
    return samples;
  }
}
