// Two clocks: what is left of the lease, and how long the task was looked at.
const TICK_MS = 1000;
const WARNING_MS = 120_000;
const ACTIVE_MS = 60_000;
const ASK_AGAIN_MS = 20_000;

export class LeaseClock {
  /** `renew` asks for more time; `tell` is called with "soon", "over" or null; `now` is the server's time. */
  constructor(field, { renew, tell, now }) {
    Object.assign(this, { field, renew, tell, now, ends: null, length: 0, told: null, seen: 0, asked: -Infinity });
    for (const name of ["keydown", "pointerdown", "pointermove", "wheel", "touchstart"]) {
      document.addEventListener(name, () => this.act(), { capture: true, passive: true });
    }
    setInterval(() => this.tick(), TICK_MS);
  }

  set(expires) {
    this.ends = expires ? Date.parse(expires) : null;
    this.length = Math.max(this.length, this.left); // as long as leases are here
    this.draw();
  }

  /** Somebody is at work: a lease that was about to end is kept at once. */
  act() {
    this.seen = Date.now();
    if (this.told === "soon") this.keep();
  }

  tick() {
    // Renewed while somebody works, from the half of it on; a tab that nobody looks at lets it run out.
    if (this.ends !== null && this.left < this.length / 2 && Date.now() - this.seen < ACTIVE_MS) this.keep();
    this.draw();
  }

  keep() {
    if (this.left <= 0 || Date.now() - this.asked < ASK_AGAIN_MS) return;
    this.asked = Date.now();
    this.renew();
  }

  /** Milliseconds. */
  get left() {
    return this.ends === null ? 0 : this.ends - this.now();
  }

  draw() {
    this.field.hidden = this.ends === null;
    const warning = Math.min(WARNING_MS, this.length / 4);
    const now = this.ends === null ? null : this.left <= 0 ? "over" : this.left <= warning ? "soon" : null;
    if (now !== this.told) {
      this.told = now;
      this.tell(now);
    }
    if (this.ends === null) return;
    const rest = Math.max(Math.round(this.left / 1000), 0);
    this.field.classList.toggle("late", now !== null);
    this.field.textContent = rest > 0 ? `Lease ${Math.floor(rest / 60)}:${String(rest % 60).padStart(2, "0")}` : "Lease over";
    this.field.title = rest > 0 ? "Time until this task goes back to the others; it is renewed while you work" : "It may go to others; until then it can be submitted";
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
