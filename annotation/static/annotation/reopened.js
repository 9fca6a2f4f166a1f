// One of the last ten submissions, opened again: those that still wait in this browser first.
import { Refused } from "./api.js";

const LAST = 10;

export class Reopened {
  constructor(api, queue, project) {
    Object.assign(this, { api, queue, project, current: null, index: -1, problem: "" });
  }

  /** The submission before the one that is open (or the last): {task, body}, or null with `problem` set. */
  async next() {
    const index = this.current ? this.index + 1 : 0;
    if (index >= LAST) return this.none("Only the last ten can be reopened here.");
    const waiting = this.queue.items.filter((item) => item.kind === "submit").reverse();
    const found = index < waiting.length ? this.waiting(waiting[index]) : await this.stored(index - waiting.length);
    if (!found) return null;
    Object.assign(this, { current: found, index });
    return found;
  }

  waiting(item) {
    return { task: item.shown, body: item.body, ranking: null, at: item.at };
  }

  async stored(index) {
    let rankings;
    try {
      ({ results: rankings } = await this.api.mine(this.project, LAST));
    } catch (error) {
      return this.none(error instanceof Refused ? error.message : "No connection: your submissions cannot be read.");
    }
    const ranking = rankings[index];
    if (!ranking) return this.none(index === 0 ? "You have submitted nothing yet." : "There is nothing before this one.");
    return { task: ranking, body: ranking, ranking: ranking.ranking, at: Date.parse(ranking.created_at) };
  }

  none(problem) {
    this.problem = problem;
    return null;
  }

  get title() {
    const time = new Date(this.current.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
    return `your ranking of ${time}`;
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
