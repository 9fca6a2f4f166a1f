// Tasks from the server: the one on the screen, and the next one, fetched ahead.
import { Refused } from "./api.js";

export class Supply {
  constructor(api, project) {
    Object.assign(this, { api, project, ahead: null, running: null });
  }

  /** The task that was fetched ahead, if any; its clock starts with the next `refresh`. */
  take() {
    const task = this.ahead;
    this.ahead = null;
    return task;
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

  /** Fetch the one after `current`. Without it the next task only comes a moment later: failures are silent. */
  async prefetch(current) {
    if (this.ahead) return;
    try {
      const task = await this.api.next(this.project, { ahead: true });
      if (task && task.task !== current) this.ahead = task;
    } catch {
      this.ahead = null;
    }
  }
}
