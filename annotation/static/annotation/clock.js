// Two clocks: what is left of the lease, and how long the task was looked at.

export class LeaseClock {
  constructor(field) {
    this.field = field;
    this.ends = null;
    setInterval(() => this.draw(), 1000);
  }

  set(expires) {
    this.ends = expires ? Date.parse(expires) : null;
    this.draw();
  }

  draw() {
    this.field.hidden = this.ends === null;
    if (this.ends === null) return;
    const left = Math.round((this.ends - Date.now()) / 1000);
    this.field.classList.toggle("late", left < 120);
    const rest = Math.max(left, 0);
    const text = `${Math.floor(rest / 60)}:${String(rest % 60).padStart(2, "0")}`;
    this.field.textContent = left > 0 ? `Lease ${text}` : "Lease over";
    this.field.title = left > 0 ? "Time until this task goes back to the others" : "It may go to others; until then it can be submitted";
  }
}

/** Milliseconds in which the page was visible. */
export class Stopwatch {
  constructor() {
    this.reset();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) this.pause();
      else this.since ??= performance.now();
    });
  }

  reset(spent = 0) {
    this.spent = spent;
    this.since = document.hidden ? null : performance.now();
  }

  pause() {
    this.spent = this.value;
    this.since = null;
  }

  get value() {
    return Math.round(this.spent + (this.since === null ? 0 : performance.now() - this.since));
  }
}
