// The JSON API. Three outcomes: an answer, a Refused (the server said no), or an Unreachable (try again).
const TIMEOUT_MS = 15000;

export class Refused extends Error {
  constructor(status, { code = "error", detail = "The server refused this.", fields = {} } = {}) {
    super(detail);
    Object.assign(this, { status, code, fields });
  }

  /** Logged out in between: nothing is wrong with what was sent. */
  get loggedOut() {
    return this.status === 401 || this.message.startsWith("CSRF Failed");
  }
}

export class Unreachable extends Error {}

export class Api {
  constructor(root) {
    this.root = root;
    this.skew = 0; // milliseconds by which the server's clock is ahead of this one
    this.reason = null; // why there was no task when one was last asked for
  }

  /** Now, by the server's clock: leases end by it, whatever this machine's says. */
  now() {
    return Date.now() + this.skew;
  }

  next(project, { ahead = false } = {}) {
    return this.send("POST", `projects/${project}/tasks/next/${ahead ? "?ahead=1" : ""}`);
  }

  saveDraft(task, draft, { keepalive = false } = {}) {
    return this.send("PUT", `tasks/${task}/draft/`, { draft }, { keepalive });
  }

  skip(task, reason, note, key) {
    return this.send("POST", `tasks/${task}/skip/`, { reason, note }, { key });
  }

  submit(task, answer, key) {
    return this.send("POST", `tasks/${task}/ranking/`, answer, { key });
  }

  /** More time for a task in hand: {lease_expires}. */
  renew(task) {
    return this.send("POST", `tasks/${task}/renew/`);
  }

  /** Give a task back to the others. */
  release(task, { keepalive = false } = {}) {
    return this.send("POST", `tasks/${task}/release/`, undefined, { keepalive });
  }

  /** Your own current rankings, newest first: {results: […]}. */
  mine(project, count) {
    return this.send("GET", `projects/${project}/rankings/mine/?page_size=${count}`);
  }

  revise(ranking, answer, key) {
    return this.send("PUT", `rankings/${ranking}/`, answer, { key });
  }

  async send(method, path, body, { key, keepalive = false } = {}) {
    const headers = { Accept: "application/json", "X-CSRFToken": csrfToken() };
    if (body !== undefined) headers["Content-Type"] = "application/json";
    if (key) headers["Idempotency-Key"] = key;
    let response;
    try {
      response = await fetch(this.root + path, {
        method,
        headers,
        keepalive,
        credentials: "same-origin",
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
    } catch (error) {
      throw new Unreachable(error.message);
    }
    const told = Date.parse(response.headers.get("Date"));
    if (!Number.isNaN(told)) this.skew = told - Date.now();
    this.reason = response.headers.get("Kedge-Reason") ?? this.reason;
    return read(response);
  }
}

async function read(response) {
  if (response.status === 204) return null;
  // 408, 429 and 5xx pass: what was sent stays right, and is sent again.
  if (response.status >= 500 || [408, 429].includes(response.status)) throw new Unreachable(`HTTP ${response.status}`);
  const text = await response.text().catch((error) => {
    throw new Unreachable(error.message);
  });
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    throw new Unreachable("No JSON: somebody else answered for the server."); // a hotel's log-in page
  }
  if (response.ok) return body;
  throw new Refused(response.status, body ?? {});
}

// Read at the time of sending: it changes with every log-in.
function csrfToken() {
  const cookie = document.cookie.split("; ").find((part) => part.startsWith("csrftoken="));
  return cookie ? decodeURIComponent(cookie.slice("csrftoken=".length)) : "";
}

/** A key for a write: unique, also where crypto.randomUUID is missing (plain http). */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
