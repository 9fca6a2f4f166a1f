// This person's other tabs of the page: what ends in one of them is asked for in none any more.
import { newKey } from "./api.js";
import { closeDialogs } from "./dialogs.js";
import { touched } from "./state.js";
import { toast } from "../kedge/toast.js";

const ENDED = "ended"; // the store's name for the last task that ended in any tab
const WORDS = {
  submit: "You submitted this task in another tab.",
  skip: "You skipped this task in another tab.",
  release: "This task was given back when another tab was closed.",
};

export class Tabs {
  /** `page` is the ranking page; what it holds of an ended task is changed here. */
  constructor(page) {
    this.page = page;
    // The other tabs hear of it, the one that writes does not.
    window.addEventListener("storage", (event) => {
      if (event.key !== page.store.prefix + ENDED || !event.newValue) return;
      const ended = JSON.parse(event.newValue);
      page.progress.counted(ended.kind);
      this.ended(ended);
    });
  }

  /** Say that a task ended here: "submit", "skip" or "release". */
  tell(kind, task, ranking = null) {
    const ended = { kind, task, ranking };
    this.page.store.set(ENDED, { ...ended, key: newKey() }); // only what is new is heard
    this.ended(ended); // what another tab left in the queue may be on this screen
  }

  ended({ kind, task, ranking }) {
    const { page } = this;
    page.supply.drop(task);
    if (kind !== "release") page.drafts.drop(task);
    if (page.reopened.current) return this.end(page.held, task, () => (page.held = null), { kind, ranking });
    const shown = { task: page.task, state: page.state, spent: page.watch.value };
    this.end(shown, task, () => this.leave(), { kind, ranking });
  }

  /** Take the task away, wherever it is, and say so; what was typed is told, and kept where it can still count. */
  end(here, task, away, { kind, ranking }) {
    if (here?.task?.task !== task) return;
    const typed = touched(here.state);
    this.page.notices.tab.show(null);
    if (kind === "release" && typed) {
      const another = { label: "Take another task", run: () => this.page.another() };
      const text = `${WORDS.release} Your work is kept, and counts if you submit it before somebody else takes the task.`;
      return this.page.notices.tab.show(text, { actions: [another] });
    }
    away();
    if (!typed) return toast(WORDS[kind]);
    const actions = [{ label: "Close", run: () => this.page.notices.tab.show(null) }];
    if (kind === "submit") actions.unshift({ label: "Open it with what I had", run: () => this.resume(ranking, here) });
    this.page.notices.tab.show(`${WORDS[kind]} What you had here was not sent.`, { actions });
  }

  leave() {
    closeDialogs();
    return this.page.advance();
  }

  /** The ranking that was submitted elsewhere, with what was typed here: Enter makes it a new version. */
  resume(ranking, { state, spent }) {
    this.page.notices.tab.show(null);
    return this.page.open(this.page.reopened.of(ranking), { state, spent });
  }
}
