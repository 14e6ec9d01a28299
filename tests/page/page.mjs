// Drives the real Tiled web page in headless Chromium, as a person would.
//
//   node page.mjs '{"url": …, "enter": …, "out": …, "chromium": …}'
//
// url is the server, enter the address typed first (with a key on a private
// server), out the folder for screenshots. Prints one JSON line with what was
// seen; checks are made by test_page.py.
import { readFileSync } from "node:fs";
import { chromium } from "playwright-core";

const { url, enter, out, chromium: executablePath } = JSON.parse(process.argv[2]);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const context = await browser.newContext({ viewport: { width: 1200, height: 900 }, acceptDownloads: true });
const page = await context.newPage();
page.setDefaultTimeout(20_000);

const seen = { bad: [], errors: [], addresses: [] };
page.on("pageerror", (error) => {
  // Requests that the page itself gave up when it moved on, and those counted below.
  if (!/^(CanceledError|AxiosError)/.test(String(error))) seen.errors.push(String(error));
});
page.on("response", (response) => {
  const path = response.url().replace(url, "");
  // The page asks once for /metadata/… before it has read its settings.
  if (response.status() >= 400 && !path.startsWith("/metadata/")) seen.bad.push(`${response.status()} ${path}`);
});
page.on("framenavigated", (frame) => seen.addresses.push(frame.url().replace(url, "")));

const shot = (name) => page.screenshot({ path: `${out}/${name}.png` });
const open = async (path) => {
  await page.goto(`${url}/ui/browse/${path}`);
  await page.getByRole("tab", { name: "View" }).waitFor();
};

// Entering, and the list of the root.
await page.goto(enter);
await page.goto(`${url}/ui/`);
await page.getByRole("row", { name: "nested" }).waitFor();
seen.root = (await page.getByRole("row").allInnerTexts()).slice(1).map((text) => text.trim());
seen.cookies = (await context.cookies()).map(({ name, httpOnly, sameSite }) => ({ name, httpOnly, sameSite }));
await shot("root");

// Down into a folder by clicking.
await page.getByRole("row", { name: "nested" }).getByText("nested").click();
await page.getByText("inner", { exact: true }).first().waitFor();
seen.folder = (await page.getByRole("row").allInnerTexts()).slice(1).map((text) => text.trim());
await shot("folder");

// A grey image is drawn on a canvas by the page, a colour one comes as PNG.
await open("image/");
const canvas = page.locator('canvas[aria-label="Data rendered"]');
await canvas.waitFor();
await page.waitForFunction(() => {
  const canvas = document.querySelector('canvas[aria-label="Data rendered"]');
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value, i) => i % 4 === 0 && value !== data[0]);
});
seen.canvas = await canvas.evaluate(({ width, height }) => ({ width, height }));
await shot("image");

await open("rgb/");
await page.waitForFunction(() => [...document.images].some((image) => image.src.startsWith("blob:") && image.naturalWidth > 0));
seen.png = await page.evaluate(() => {
  const image = [...document.images].find((one) => one.src.startsWith("blob:"));
  return { width: image.naturalWidth, height: image.naturalHeight };
});
await shot("color");

// One dimension is a chart or a list of numbers.
await open("line/");
await page.getByText("View as").waitFor();
await shot("line");

// A table: names of columns, and rows.
await open("table/");
await page.getByRole("columnheader", { name: "energy" }).waitFor();
await page.waitForLoadState("networkidle");
seen.columns = await page.getByRole("columnheader").allInnerTexts();
seen.rows = (await page.locator(".MuiDataGrid-row, tbody tr").allInnerTexts()).slice(0, 3);
await shot("table");

// A download of the table as CSV.
await page.getByRole("tab", { name: "Download" }).click();
await page.locator("#formats-select").click();
await page.getByRole("option", { name: "CSV" }).click();
const downloading = page.waitForEvent("download");
await page.getByRole("button", { name: "Download", exact: true }).click();
const download = await downloading;
seen.download = { name: download.suggestedFilename(), text: readFileSync(await download.path(), "utf8") };
await shot("download");

// What the page knows about a node.
await open("nested/");
await page.getByRole("tab", { name: "Detail" }).click();
await page.getByText("structure_family").first().waitFor();
await shot("detail");

console.log(JSON.stringify(seen));
await browser.close();
