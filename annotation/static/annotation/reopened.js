// One of the last ten submissions, opened again: those that still wait in this browser first.
import { Refused } from "./api.js";
import { timeOfDay } from "./dom.js";

const LAST = 10;

export class Reopened {
  constructor(api, queue, project) {
    Object.assign(this, { api, queue, project, current: null, index: -1, problem: "" });
  }

  /** The submission before the one that is open (or the last): {task, body}, or null with `problem` set. */
  next() {
    return this.open(this.current ? this.index + 1 : 0);
  }

  /** The last but `index` submission: {task, body}, or null with `problem` set. */
  async open(index) {
    if (index >= LAST) return this.none("Only the last ten can be reopened here.");
    const found = await this.last();
    if (!found) return null;
    if (!found[index]) return this.none(index === 0 ? "You have submitted nothing yet." : "There is nothing before this one.");
    Object.assign(this, { current: found[index], index });
    return found[index];
  }

  /** The submission with this number, if it is one of the last ten. */
  async of(ranking) {
    const last = await this.last();
    if (!last) return null;
    const index = last.findIndex((one) => one.ranking === ranking);
    return index < 0 ? this.none("Only the last ten can be reopened here.") : this.open(index);
  }

  /** The last ten, newest first: [{task, body, ranking, at}], those that wait to be sent without a ranking's number. */
  async last() {
    const waiting = this.queue.items.filter((item) => item.kind === "submit").reverse();
    const mine = waiting.map((item) => ({ task: item.shown, body: item.body, ranking: null, at: item.at }));
    if (mine.length >= LAST) return mine.slice(0, LAST);
    try {
      const { results } = await this.api.mine(this.project, LAST);
      const stored = results.map((one) => ({ task: one, body: one, ranking: one.ranking, at: Date.parse(one.created_at) }));
      return [...mine, ...stored].slice(0, LAST);
    } catch (error) {
      if (mine.length > 0 && !(error instanceof Refused)) return mine;
      return this.none(error instanceof Refused ? error.message : "No connection: your submissions cannot be read.");
    }
  }

  none(problem) {
    this.problem = problem;
    return null;
  }

  get title() {
    return `your ranking of ${timeOfDay(new Date(this.current.at)).slice(0, 5)}`;
  }

  /** False when it was sent just now and has to be opened once more. */
  submit(body) {
    const { task, ranking } = this.current;
    if (ranking === null) return this.queue.amend(task.task, body);
    this.queue.add({ kind: "revise", task: task.task, ranking, body });
    return true;
  }

  leave() {
    Object.assign(this, { current: null, index: -1 });
  }
}
