// Tasks from the server: the one on the screen, and the next one, fetched ahead.
import { Refused } from "./api.js";

export class Supply {
  constructor(api, project) {
    Object.assign(this, { api, project, ahead: null, running: null });
  }

  /** The task that was fetched ahead, unless it is `current`; its clock starts with the next `refresh`. */
  take(current) {
    const task = this.ahead;
    this.ahead = null;
    // A slow answer may name the task that came to the screen by another way meanwhile.
    return task?.task === current ? null : task;
  }

  /** A task that the server handed out while another one is on the screen: it is the next one. */
  keep(task) {
    this.ahead = task;
  }

  /** A task that ended in another tab is not the next one. */
  drop(task) {
    if (this.ahead?.task === task) this.ahead = null;
  }

  /** The page is left: what was fetched ahead goes back to the others at once. Its number, or null. */
  giveBack() {
    const given = this.ahead?.task ?? null;
    if (given !== null) this.api.release(given, { keepalive: true }).catch(() => {});
    this.ahead = null;
    return given;
  }

  /** {task} as the server hands it out now (null: nothing is left), or {problem: "offline" | "logged-out" | text}. */
  refresh() {
    this.running ??= this.ask().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  async ask() {
    try {
      return { task: await this.api.next(this.project) };
    } catch (error) {
      if (!(error instanceof Refused)) return { problem: "offline" };
      return { problem: error.loggedOut ? "logged-out" : error.message };
    }
  }

  /** Fetch the one after `current`; whether there is one. Without it the next task only comes a moment later. */
  async prefetch(current) {
    if (this.ahead && this.ahead.task !== current) return true;
    try {
      const task = await this.api.next(this.project, { ahead: true });
      this.ahead = task?.task === current ? null : task;
    } catch {
      this.ahead = null; // asked again with the next task
    }
    return this.ahead !== null;
  }
}
