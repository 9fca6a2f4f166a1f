// What lies on the annotator's desk: tasks come, submissions go, and the page says how that stands.
import { Api, Refused } from "./api.js";
import { LeaseClock, Stopwatch } from "./clock.js";
import { timeOfDay } from "./dom.js";
import { Drafts } from "./drafts.js";
import { Notices } from "./notices.js";
import { Progress } from "./progress.js";
import { Queue } from "./queue.js";
import { Reopened } from "./reopened.js";
import { Source, sourceText } from "./source.js";
import * as ranking from "./state.js";
import { Store } from "./store.js";
import { Supply } from "./supply.js";
import { Tabs } from "./tabs.js";
import { toast } from "../kedge/toast.js";

const LOOK_AGAIN_MS = 20000;

// Why the server hands out nothing new, where that is somebody's decision.
const HELD_BACK = {
  project_paused: ["The project is paused", "Its lead hands out nothing new for now. This page looks again by itself."],
  person_paused: ["You are paused", "The project's lead hands you nothing new for now. This page looks again by itself."],
  quota_reached: ["Done for today", "You have ranked as many tasks as the project's lead wants of you in a day."],
};

/** The page on top of it has `cards`, `draw()` and `clear()`. */
export class Desk {
  constructor(root) {
    const { api, project, user } = root.dataset;
    this.root = root;
    this.find = (selector) => root.querySelector(selector);
    Object.assign(this, { task: null, state: null, timer: null });
    this.store = new Store(user, project);
    this.marked = this.store.get("marked", false);
    this.api = new Api(api);
    this.queue = new Queue(this.api, this.store);
    this.supply = new Supply(this.api, project);
    this.drafts = new Drafts(this.api, this.store, (text) => this.saved(text));
    this.reopened = new Reopened(this.api, this.queue, project);
    this.progress = new Progress(root);
    this.notices = new Notices(root);
    this.source = new Source(this.find("#rank-source"), this.find("#rank-fold"), this.store);
    this.tabs = new Tabs(this);
    this.clock = new LeaseClock(this.find("#rank-lease"), { renew: () => this.renew(), tell: (what) => this.leaseTold(what), now: () => this.api.now() });
    this.watch = new Stopwatch();
    this.queue.addEventListener("sent", ({ detail }) => this.sent(detail));
    this.queue.addEventListener("refused", ({ detail }) => this.refused(detail));
    this.queue.addEventListener("changed", () => {
      this.connection();
      if (!this.task && this.queue.length === 0) this.refill();
    });
    window.addEventListener("online", () => this.begin());
    window.addEventListener("pagehide", () => this.left());
    window.addEventListener("pageshow", (event) => event.persisted && this.begin());
  }

  left() {
    const given = this.supply.giveBack();
    if (given !== null) this.tabs.tell("release", given);
  }

  async begin() {
    await this.queue.retry();
    await this.refill();
  }

  show(task, state, spent) {
    const draft = state ? null : this.drafts.of(task);
    this.task = task;
    this.state = state ?? ranking.fromDraft(task.completions.map(({ id }) => id), draft, task.method);
    this.mode = null;
    this.rating = Object.keys(this.state.ratings).length > 0 || (this.rating && this.cards.criteria.length > 0);
    this.watch.reset(spent ?? draft?.spent ?? 0);
    this.source.show(task);
    this.cards.show(task);
    this.mark();
    this.asked();
    this.clock.set(this.reopened.current ? null : task.lease_expires);
    this.saved(draft ? "draft" : "");
    this.notices.work();
    this.root.classList.add("working");
    this.draw();
    this.find("#rank-source").scrollTop = 0;
    this.find("#rank-cards").scrollTop = 0;
    window.scrollTo(0, 0);
  }

  /** Mark what completions add to the source and leave out, or nothing. */
  mark() {
    this.source.mark(this.marked);
    this.cards.mark(sourceText(this.task), this.marked ? this.source.facts() : null);
  }

  /** Say what is asked: an order, the better of two, or the best and the worst. */
  asked() {
    const { kind } = this.state;
    this.root.dataset.kind = kind;
    this.find("#rank-ask").textContent = { order: "best first", pair: "which is better?", extremes: "the best, then the worst" }[kind];
    this.find("#rank-none").textContent = kind === "pair" ? "Both bad" : "None acceptable";
  }

  rest(title, text, actions) {
    this.task = null;
    this.clear();
    this.root.classList.remove("working");
    this.clock.set(null);
    this.notices.rest(title, text, actions);
  }

  async advance() {
    const next = this.supply.take(this.task.task);
    this.root.dataset.ahead = "";
    // Its clock starts when the server hears that it is on the screen.
    if (next) this.show({ ...next, lease_expires: null });
    else this.rest("Loading the next task", "One moment.");
    await this.queue.flush();
    await this.refill();
  }

  /** Ask the server what is on: it confirms the task on the screen and starts its clock, or gives one. */
  async refill() {
    clearTimeout(this.timer);
    if (this.queue.length > 0) return this.unanswered(this.queue.problem ?? "offline");
    const { task, problem } = await this.supply.refresh();
    if (problem) return this.unanswered(problem);
    this.connection();
    if (this.reopened.current) return;
    if (task === null) return this.task && ranking.touched(this.state) ? undefined : this.finished();
    if (task.task === this.task?.task) this.leased(task.lease_expires);
    else if (!this.task || !ranking.touched(this.state)) this.show(task);
    else return this.supply.keep(task); // the lease of what is on the screen is over
    this.root.dataset.ahead = (await this.supply.prefetch(task.task)) ? "ready" : "";
  }

  unanswered(problem) {
    this.timer = setTimeout(() => this.begin(), LOOK_AGAIN_MS);
    this.connection(problem);
    if (this.task) return;
    const again = [{ label: "Try again", run: () => this.begin() }];
    if (["offline", "logged-out"].includes(problem)) {
      this.rest("No new task for now", "What you ranked is kept in this browser and will be sent. The next task comes with the connection.", again);
    } else this.rest("No task", problem, again);
  }

  finished() {
    this.timer = setTimeout(() => this.begin(), LOOK_AGAIN_MS);
    const { hint, lead } = this.root.dataset;
    const actions = [{ label: "Look again", run: () => this.begin() }];
    if (lead) actions.push({ label: hint, href: lead });
    if (this.api.reason in HELD_BACK) return this.rest(...HELD_BACK[this.api.reason], actions.slice(0, 1));
    const started = this.progress.read("total") > 0;
    const title = started ? "All done: nothing left to rank" : "Nothing to rank yet";
    const mine = started ? "You have ranked every task that is meant for you." : "This project has no tasks.";
    const next = lead
      ? "Tasks come from imported prompts, once their completions are generated, and from each round's new completions."
      : "New tasks come by themselves; the project's lead can import more.";
    this.rest(title, `${mine} ${next} This page looks again by itself.`, actions);
  }

  // -- The lease ----------------------------------------------------------------------------------

  leased(expires) {
    this.task.lease_expires = expires;
    this.clock.set(expires);
  }

  /** More time for the task on the screen; null, or why there is none. */
  async renew() {
    const { task } = this.task;
    try {
      const before = this.task.lease_expires;
      const { lease_expires: expires } = await this.api.renew(task);
      if (this.task?.task === task && !this.reopened.current) this.leased(expires);
      return expires === before ? "It was held as long as one may." : null;
    } catch (error) {
      return error instanceof Refused ? error.message : "No connection.";
    }
  }

  /** `what` is "soon", "over" or null: how it stands with the lease. */
  leaseTold(what) {
    const { lease } = this.notices;
    if (what === null || !this.task) return lease.show(null);
    if (what === "soon") {
      const keep = async () => {
        const problem = await this.renew();
        if (problem) toast(`The task could not be kept longer. ${problem}`, "error");
        else this.notices.say("The task is yours for longer.");
      };
      return lease.show("This task soon goes back to the others.", { actions: [{ label: "Keep it", run: keep }] });
    }
    if (!ranking.touched(this.state)) {
      return this.rest("Are you still there?", "The task that was here went back to the others.", [{ label: "Go on", run: () => this.begin() }]);
    }
    const another = { label: "Take another task", run: () => this.another() };
    lease.show("The lease is over. Your work is kept, and counts if you submit it before somebody else takes the task.", { actions: [another] });
  }

  another() {
    this.notices.tab.show(null);
    this.rest("Loading the next task", "One moment.");
    this.refill();
  }

  // -- The server's answers -----------------------------------------------------------------------

  sent({ item, answer }) {
    if (item.kind !== "revise") this.tabs.tell(item.kind, item.task, answer?.ranking);
    if (item.kind === "skip") return;
    this.progress.counted(item.kind, answer);
    this.find("#rank-last").textContent = `${answer.pairs} ${answer.pairs === 1 ? "pair" : "pairs"} stored ${timeOfDay()}`;
  }

  refused({ item, error }) {
    const what = { submit: "Your ranking was not stored", revise: "Your change was not stored", skip: "The task could not be skipped" };
    toast(`${what[item.kind]}. ${error.message}`, "error");
  }

  connection(problem = this.queue.problem) {
    const waiting = this.queue.length;
    const kept = waiting === 0 ? "" : ` ${waiting === 1 ? "One answer waits" : `${waiting} answers wait`} in this browser and will be sent.`;
    if (problem === "logged-out") {
      const href = `${this.root.dataset.login}?next=${encodeURIComponent(location.pathname)}`;
      this.notices.banner.show(`You are logged out.${kept}`, { actions: [{ label: "Log in", href }] });
    } else if (problem === "offline") {
      this.notices.banner.show(`No connection.${kept}`, { actions: [{ label: "Try again", run: () => this.begin() }] });
    } else if (this.reopened.current) {
      const text = `You are changing ${this.reopened.title}. Enter saves a new version.`;
      this.notices.banner.show(text, { kind: "info", actions: [{ label: "Leave it as it was", run: () => this.leaveReopened() }] });
    } else this.notices.banner.show(null);
  }

  saved(text) {
    this.find("#rank-saved").textContent = text;
  }
}
