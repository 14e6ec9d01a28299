// A walk through the tree by the HTTP interface. The address behind # is the
// path of the node; everything shown is put in as text, never as markup.
"use strict";
const api = new URL("../api/v1/", location.origin + location.pathname.replace(/\/ui\/.*$/, "/ui/"));
const main = document.getElementById("main");
const pageSize = 100;

function element(name, properties = {}, ...children) {
  const e = Object.assign(document.createElement(name), properties);
  e.append(...children);
  return e;
}

const encoded = (path) => path.map(encodeURIComponent).join("/");

function address(route, path, query = {}) {
  const url = new URL(route + "/" + encoded(path), api);
  for (const [k, v] of Object.entries(query)) url.searchParams.append(k, v);
  return url;
}

async function ask(url) {
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  if (answer.ok) return answer.json();
  let detail = answer.statusText;
  try { detail = (await answer.json()).detail; } catch { /* no JSON: the status has to do */ }
  throw new Error(answer.status + ": " + detail);
}

const link = (path, text) => element("a", { href: "#/" + encoded(path), textContent: text });

function breadcrumbs(path) {
  const nav = document.getElementById("path");
  nav.replaceChildren(link([], "root"));
  path.forEach((key, i) => nav.append(" / ", link(path.slice(0, i + 1), key)));
}

async function container(path, offset) {
  const page = await ask(address("search", path, { "page[offset]": offset, "page[limit]": pageSize, fields: "structure_family" }));
  const list = element("ul");
  for (const item of page.data) {
    list.append(element("li", {}, link([...path, item.id], item.id), element("small", { textContent: item.attributes.structure_family })));
  }
  const parts = [element("p", { textContent: page.meta.count + " items" }), list];
  for (const [to, text] of [[offset - pageSize, "previous"], [offset + pageSize, "next"]]) {
    if (to >= 0 && to < page.meta.count) parts.push(element("button", { textContent: text, onclick: () => show(to) }));
  }
  return parts;
}

function array(path, structure) {
  const shape = structure.shape;
  const colour = shape.length > 2 && [3, 4].includes(shape[shape.length - 1]);
  const leading = Math.max(0, shape.length - (colour ? 3 : 2));
  const parts = [element("p", { textContent: "shape " + shape.join(" × ") + ", " + structure.data_type.kind + structure.data_type.itemsize })];
  if (shape.length < 2 || shape.includes(0)) return parts;
  const step = Math.max(1, Math.ceil(Math.max(shape[leading], shape[leading + 1]) / 800));
  const picture = element("img", { alt: "a look at the array" });
  const at = new Array(leading).fill(0);
  const draw = () => {
    picture.src = address("array/full", path, { format: "image/png", slice: [...at, "::" + step, "::" + step].join(",") });
  };
  for (let axis = 0; axis < leading; axis++) {
    parts.push(element("label", {}, "axis " + axis + " ", element("input", {
      type: "range", min: 0, max: shape[axis] - 1, value: 0,
      oninput: (e) => { at[axis] = Number(e.target.value); draw(); },
    })));
  }
  draw();
  return [...parts, element("p", {}, picture)];
}

async function table(path, structure) {
  const columns = structure.columns.slice(0, 20);
  const url = address("table/partition", path, { partition: 0, format: "application/json" });
  for (const c of columns) url.searchParams.append("column", c);
  const parts = [element("p", { textContent: structure.columns.length + " columns, " + structure.npartitions + " partitions" })];
  if (structure.npartitions === 0) return parts;
  const data = await ask(url);
  const view = element("table", {}, element("tr", {}, ...columns.map((c) => element("th", { textContent: c }))));
  for (let row = 0; row < Math.min(50, (data[columns[0]] || []).length); row++) {
    view.append(element("tr", {}, ...columns.map((c) => element("td", { textContent: String(data[c][row]) }))));
  }
  return [...parts, view];
}

async function show(offset = 0) {
  const path = location.hash.replace(/^#\/?/, "").split("/").filter(Boolean).map(decodeURIComponent);
  breadcrumbs(path);
  try {
    const { attributes } = (await ask(address("metadata", path))).data;
    const family = attributes.structure_family;
    const parts = [];
    if (family === "container") parts.push(...await container(path, offset));
    if (family === "array") parts.push(...array(path, attributes.structure));
    if (family === "table") parts.push(...await table(path, attributes.structure));
    if (Object.keys(attributes.metadata || {}).length) parts.push(element("h2", { textContent: "Metadata" }), element("pre", { textContent: JSON.stringify(attributes.metadata, null, 2) }));
    main.replaceChildren(...parts);
  } catch (error) {
    main.replaceChildren(element("p", { className: "error", textContent: error.message }));
  }
}

window.addEventListener("hashchange", () => show());
show();
