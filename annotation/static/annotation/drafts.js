// What is on the screen, kept in this browser at once and on the server a moment later.
import { Refused } from "./api.js";
import { timeOfDay } from "./dom.js";
import { toDraft } from "./state.js";

const DELAY_MS = 700;
const KEPT = 20;

export class Drafts {
  /** `tell` is called with a short sentence: "saved 12:04:31". */
  constructor(api, store, tell) {
    Object.assign(this, { api, store, tell, waiting: null, timer: null });
    window.addEventListener("online", () => this.send());
    document.addEventListener("visibilitychange", () => document.hidden && this.send({ keepalive: true }));
  }

  /** The newer of the server's and this browser's draft of a task; null where there is none. */
  of(task) {
    const local = this.store.get("drafts", {})[task.task] ?? null;
    const remote = task.draft;
    if (!local || !remote) return local ?? remote;
    return (remote.at ?? 0) > (local.at ?? 0) ? remote : local;
  }

  keep(task, state, spent) {
    const draft = { ...toDraft(state), at: Date.now(), spent };
    const rest = Object.entries(this.store.get("drafts", {})).filter(([id]) => Number(id) !== task);
    rest.sort(([, one], [, other]) => one.at - other.at);
    this.store.set("drafts", Object.fromEntries([...rest.slice(1 - KEPT), [task, draft]]));
    this.waiting = { task, draft };
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.send(), DELAY_MS);
  }

  drop(task) {
    const { [task]: _, ...rest } = this.store.get("drafts", {});
    this.store.set("drafts", rest);
    if (this.waiting?.task === task) this.waiting = null;
  }

  async send(options) {
    clearTimeout(this.timer);
    const sent = this.waiting;
    if (!sent) return;
    this.waiting = null;
    try {
      await this.api.saveDraft(sent.task, sent.draft, options);
      this.tell(`saved ${timeOfDay()}`);
    } catch (error) {
      // Refused: the task was submitted in between, or is somebody else's by now. Its end is told elsewhere.
      if (error instanceof Refused) return;
      this.waiting ??= sent;
      this.tell(`kept in this browser ${timeOfDay()}`);
    }
  }
}
