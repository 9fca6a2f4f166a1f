// Submissions on their way. Each is kept in the browser until the server has answered it, and goes out
// again with the same idempotency key; so it is stored once, however often it is sent.
import { Refused, newKey } from "./api.js";

const FIRST_WAIT_MS = 2000;
const LAST_WAIT_MS = 30000;

export class Queue extends EventTarget {
  constructor(api, store) {
    super();
    Object.assign(this, { api, store, sending: null, wait: FIRST_WAIT_MS, timer: null, problem: null });
  }

  get items() {
    return this.store.get("queue", []);
  }

  get length() {
    return this.items.length;
  }

  /** kind: "submit", "revise" or "skip". Resolves once everything was sent, or cannot be for now. */
  add(item) {
    this.store.set("queue", [...this.items, { key: newKey(), at: Date.now(), ...item }]);
    this.changed();
    return this.flush();
  }

  /** Replace the body of a submission that waits; false when it is not there any more. */
  amend(task, body) {
    const items = this.items;
    const at = items.findLastIndex((item) => item.task === task && item.kind !== "skip");
    if (at < 0 || this.sending !== null) return false;
    // A new key: the same one with another body would be a conflict.
    this.store.set("queue", items.with(at, { ...items[at], key: newKey(), body }));
    this.flush();
    return true;
  }

  /** Send now, without waiting for the next try. */
  retry() {
    this.wait = FIRST_WAIT_MS;
    return this.flush();
  }

  flush() {
    clearTimeout(this.timer);
    this.sending ??= this.drain().finally(() => {
      this.sending = null;
      this.changed();
    });
    return this.sending;
  }

  async drain() {
    while (this.length > 0) {
      const item = this.items[0];
      try {
        const answer = await this.send(item);
        this.done(item);
        this.dispatchEvent(new CustomEvent("sent", { detail: { item, answer } }));
      } catch (error) {
        if (error instanceof Refused && !error.loggedOut) {
          this.done(item);
          this.dispatchEvent(new CustomEvent("refused", { detail: { item, error } }));
          continue;
        }
        this.problem = error instanceof Refused ? "logged-out" : "offline";
        this.timer = setTimeout(() => this.flush(), this.wait);
        this.wait = Math.min(2 * this.wait, LAST_WAIT_MS);
        return;
      }
    }
  }

  send(item) {
    if (item.kind === "skip") return this.api.skip(item.task, item.reason, item.note, item.key);
    if (item.kind === "revise") return this.api.revise(item.ranking, item.body, item.key);
    return this.api.submit(item.task, item.body, item.key);
  }

  done(item) {
    this.problem = null;
    this.wait = FIRST_WAIT_MS;
    // By key: another tab may have sent it, or added one, in between.
    this.store.set("queue", this.items.filter((other) => other.key !== item.key));
  }

  changed() {
    this.dispatchEvent(new CustomEvent("changed"));
  }
}
