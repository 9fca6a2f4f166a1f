// How far this person is today, and the project as a whole.

export class Progress {
  constructor(root) {
    this.fields = Object.fromEntries(["today", "done", "total"].map((name) => [name, root.querySelector(`[data-count=${name}]`)]));
    this.bar = root.querySelector("#rank-progress");
  }

  counted(kind) {
    if (kind !== "submit") return;
    this.add("today", 1);
    this.add("done", 1);
    this.bar.value = this.read("done");
  }

  read(name) {
    return Number(this.fields[name].textContent);
  }

  add(name, step) {
    this.fields[name].textContent = String(this.read(name) + step);
  }
}
