// The table of packages: sorted, searched, filtered and paged. Foreign text is only ever set as text.
"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const data = JSON.parse(find("data").textContent);
  const order = ["rejected", "undecided", "unattested", "accepted"];
  const state = { words: [], statuses: new Set(), signer: null, code: null, key: null, down: false, page: 0 };

  const make = (name, className, ...content) => {
    const element = document.createElement(name);
    if (className) element.className = className;
    element.append(...content);
    return element;
  };
  const many = (count, noun) => `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;

  for (const row of data.rows) {
    const codes = row.findings.map((each) => each[0]);
    row.text = [row.subdir + "/" + row.file, row.sha256, row.status, data.statuses[row.status][1], row.rule,
      ...row.signers, ...codes].join("\n").toLowerCase();
    row.codes = codes;
  }

  const sorters = {
    status: (row) => order.indexOf(row.status),
    file: (row) => row.subdir + "/" + row.file,
    signers: (row) => row.signers[0] || "",
    signed: (row) => row.signed,
    uploaded: (row) => row.uploaded,
    findings: (row) => row.findings.length + row.moreFindings,
  };

  const chosen = () => {
    const rows = data.rows.filter((row) =>
      (!state.statuses.size || state.statuses.has(row.status)) &&
      (state.signer === null || row.signers.includes(state.signer)) &&
      (state.code === null || row.codes.includes(state.code)) &&
      state.words.every((word) => row.text.includes(word)));
    if (state.key === null) return rows;
    const value = sorters[state.key];
    const sign = state.down ? -1 : 1;
    return rows.map((row, at) => [value(row), at, row]).sort((one, two) => {
      // What has no value stands last in either direction.
      if ((one[0] === "") !== (two[0] === "")) return one[0] === "" ? 1 : -1;
      return one[0] === two[0] ? one[1] - two[1] : (one[0] < two[0] ? -sign : sign);
    }).map((each) => each[2]);
  };

  const cell = (label, className, ...content) => {
    const made = make("td", className, ...content);
    made.setAttribute("role", "cell");
    made.dataset.label = label;
    return made;
  };

  const finding = ([code, message]) => {
    const [severity, anchor, advice] = data.codes[code];
    const made = make("details", "finding", make("summary", "", code));
    made.append(make("p", "", message));
    const link = make("a", "", "about this finding");
    link.href = data.readme + "#" + anchor;
    link.rel = "noreferrer";
    made.append(make("p", "", severity + ". ", advice ? "Next: " + advice + ". " : "", link));
    return made;
  };

  const more = (count) => (count ? [make("span", "more", `and ${count} more`)] : []);

  const shown = (row) => {
    const mark = make("span", "mark", data.statuses[row.status][0]);
    mark.setAttribute("aria-hidden", "true");
    const file = make("span", "file", make("span", "subdir", row.subdir + "/"), row.file);
    if (row.sha256) file.title = "sha256 " + row.sha256;
    const made = make("tr", "",
      cell("status", "", make("span", "status " + row.status, mark, data.statuses[row.status][1])),
      cell("package", "", file),
      cell("signer", "", ...row.signers.map((signer) => make("span", "identity", signer)), ...more(row.moreSigners)),
      cell("signed", "when", ...(row.signed ? [make("span", "", row.signed + " ", make("span", "source", row.source))] : [])),
      cell("uploaded", "when", ...(row.uploaded ? [make("span", "", row.uploaded)] : [])),
      cell("findings", "", ...row.findings.map(finding), ...more(row.moreFindings)));
    made.setAttribute("role", "row");
    return made;
  };

  const press = (selector, on) => {
    for (const button of document.querySelectorAll(selector)) button.setAttribute("aria-pressed", String(on(button)));
  };

  const chip = (text, clear) => {
    const made = make("button", "", text + " ✕");
    made.type = "button";
    made.setAttribute("aria-label", "Remove the filter: " + text);
    made.addEventListener("click", () => { clear(); refresh(); find("search").focus(); });
    return made;
  };

  const refresh = (keep) => {
    const rows = chosen();
    const pages = Math.max(1, Math.ceil(rows.length / data.page));
    state.page = keep ? Math.min(Math.max(state.page, 0), pages - 1) : 0;
    const start = state.page * data.page;
    const part = rows.slice(start, start + data.page);
    find("rows").replaceChildren(...part.map(shown));
    const here = data.rows.length < data.whole ? `; of ${data.whole.toLocaleString("en")}, the ${data.rows.length.toLocaleString("en")} worst are here` : "";
    const range = pages > 1 ? `${(start + 1).toLocaleString("en")} to ${(start + part.length).toLocaleString("en")} of ` : "";
    find("count").textContent = range + many(rows.length, "package") + (state.key === null ? ", worst first" : "") + here;
    find("pages").hidden = pages === 1;
    find("page").textContent = `page ${state.page + 1} of ${pages}`;
    find("previous").disabled = state.page === 0;
    find("next").disabled = state.page === pages - 1;
    press("[data-status]", (button) => state.statuses.has(button.dataset.status));
    press("[data-signer]", (button) => state.signer === button.dataset.signer);
    press("[data-code]", (button) => state.code === button.dataset.code);
    const chips = [];
    if (state.signer !== null) chips.push(chip("signer " + state.signer, () => { state.signer = null; }));
    if (state.code !== null) chips.push(chip("finding " + state.code, () => { state.code = null; }));
    find("chips").replaceChildren(...chips);
    for (const heading of document.querySelectorAll("th[data-key]")) {
      const sorted = heading.dataset.key === state.key;
      if (sorted) heading.setAttribute("aria-sort", state.down ? "descending" : "ascending");
      else heading.removeAttribute("aria-sort");
      heading.querySelector(".arrow").textContent = sorted ? (state.down ? " ↓" : " ↑") : "";
    }
  };

  for (const heading of document.querySelectorAll("th[data-key]")) {
    const arrow = make("span", "arrow");
    arrow.setAttribute("aria-hidden", "true");
    const button = make("button", "", heading.textContent, arrow);
    button.type = "button";
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      // Up, down, and back to worst first.
      const key = heading.dataset.key;
      if (state.key !== key) [state.key, state.down] = [key, false];
      else if (!state.down) state.down = true;
      else [state.key, state.down] = [null, false];
      refresh();
    });
  }

  let waiting = 0;
  find("search").addEventListener("input", (event) => {
    clearTimeout(waiting);
    waiting = setTimeout(() => {
      state.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
      refresh();
    }, 80);
  });
  for (const button of document.querySelectorAll("[data-status]")) {
    button.addEventListener("click", () => {
      const name = button.dataset.status;
      if (!state.statuses.delete(name)) state.statuses.add(name);
      refresh();
    });
  }
  for (const button of document.querySelectorAll("[data-signer]")) {
    button.disabled = false;
    button.addEventListener("click", () => {
      state.signer = state.signer === button.dataset.signer ? null : button.dataset.signer;
      refresh();
    });
  }
  for (const button of document.querySelectorAll("[data-code]")) {
    button.hidden = !data.rows.some((row) => row.codes.includes(button.dataset.code));
    button.addEventListener("click", () => {
      state.code = state.code === button.dataset.code ? null : button.dataset.code;
      refresh();
      if (state.code !== null) find("packages").focus();
    });
  }
  const turn = (step) => () => {
    state.page += step;
    refresh(true);
    find("packages").scrollIntoView();
  };
  find("previous").addEventListener("click", turn(-1));
  find("next").addEventListener("click", turn(1));
  find("controls").hidden = false;
  refresh();
})();
