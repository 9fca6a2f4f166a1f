// What this browser keeps, under names of its own for each person and project.
export class Store {
  constructor(user, project) {
    this.prefix = `kedge:${user}:${project}:`;
    this.memory = new Map(); // where storage is blocked or full, at least until the page is left
  }

  get(name, fallback = null) {
    try {
      const text = localStorage.getItem(this.prefix + name);
      if (text !== null) return JSON.parse(text);
    } catch {
      // blocked, or not ours: what is in memory counts
    }
    return this.memory.get(name) ?? fallback;
  }

  /** False when it could only be kept in memory. */
  set(name, value) {
    this.memory.set(name, value);
    try {
      localStorage.setItem(this.prefix + name, JSON.stringify(value));
      return true;
    } catch {
      return false;
    }
  }

  remove(name) {
    this.memory.delete(name);
    try {
      localStorage.removeItem(this.prefix + name);
    } catch {
      // nothing was there
    }
  }
}
