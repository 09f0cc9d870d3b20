"""The page of an audit in a real browser: it runs, loads nothing, keeps its policy, and works from the keyboard."""

import json
import shutil
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from condattest.reports import audit_html
from condattest.reports.audit_page import STATIC
from tests import audits

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="chromium and chromedriver are not installed (Debian: chromium, chromium-driver)"
)
WHOLE = 400


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {"calm": audits.audit(WHOLE), "hostile": audits.audit(200, texts=audits.HOSTILE)}
    for name, audit in made.items():
        with (folder / f"{name}.html").open("w", encoding="utf-8") as out:
            audit_html.write(audit, out)
    return folder


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for argument in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "disable-gpu", "window-size=1400,1000"):
        options.add_argument(f"--{argument}")
    # What scrolls smoothly cannot be clicked yet.
    options.add_argument("--force-prefers-reduced-motion")
    options.add_argument("--hide-scrollbars")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(str(DRIVER)))
    yield driver
    driver.quit()


@pytest.fixture
def page(browser, pages):
    """The page, opened anew; afterwards the console holds no word of complaint."""
    browser.get((pages / "calm.html").as_uri())
    yield browser
    assert browser.get_log("browser") == []


def rows(browser):
    """Status, package and signer of each row that is shown."""
    script = """return [...document.querySelectorAll("#rows tr")].map((row) =>
        [0, 1, 2].map((at) => row.children[at].textContent))"""
    return browser.execute_script(script)


def count(browser):
    return browser.find_element(By.ID, "count").text


def press(browser, *keys):
    browser.switch_to.active_element.send_keys(*keys)


def heading(browser, key):
    return browser.find_element(By.CSS_SELECTOR, f"th[data-key={key}]")


def search(browser, text, expected):
    browser.find_element(By.ID, "search").send_keys(text)
    WebDriverWait(browser, 30).until(lambda _: expected in count(browser))


@pytest.mark.parametrize("name", ["calm", "hostile"])
def test_it_loads_nothing_and_complains_of_nothing(browser, pages, name):
    browser.get_log("performance")
    browser.get((pages / f"{name}.html").as_uri())
    events = [json.loads(each["message"])["message"] for each in browser.get_log("performance")]
    asked = [each["params"]["request"]["url"] for each in events if each["method"] == "Network.requestWillBeSent"]
    assert asked == [(pages / f"{name}.html").as_uri()]
    assert browser.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert len(rows(browser)) == STATIC
    assert browser.get_log("browser") == []


def test_hostile_texts_are_shown_and_not_run(browser, pages):
    browser.get((pages / "hostile.html").as_uri())
    assert browser.find_elements(By.TAG_NAME, "img") == []
    shown = "\n".join(cell for row in rows(browser) for cell in row)
    assert "<img src=x onerror=alert(1)>" in shown
    assert "\\u202egnp.exe" in shown
    assert "(10,0" in shown
    assert browser.get_log("browser") == []


@pytest.mark.parametrize(
    "attack",
    [
        "const s = document.createElement('script'); s.textContent = 'window.ran = 1'; document.body.append(s)",
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')",
        "const s = document.createElement('style'); s.textContent = 'body { opacity: 0 }'; document.body.append(s)",
        "document.body.setAttribute('style', 'opacity: 0')",
        "const i = new Image(); i.src = 'http://127.0.0.1:9/x'; document.body.append(i)",
        "fetch('http://127.0.0.1:9/x').catch(() => null)",
    ],
)
def test_the_policy_stops_what_would_get_in_all_the_same(browser, pages, attack):
    """A hole in the escaping: still nothing runs, nothing is restyled and nothing leaves."""
    browser.get((pages / "calm.html").as_uri())
    script = """const done = arguments[0];
        document.addEventListener("securitypolicyviolation", (event) =>
            setTimeout(() => done([event.violatedDirective, window.ran, getComputedStyle(document.body).opacity]), 20));
        setTimeout(() => done(null), 1000);"""
    directive, ran, opacity = browser.execute_async_script(f"{script}\n{attack}")
    assert directive
    assert (ran, opacity) == (None, "1")
    browser.get_log("browser")


def test_a_heading_sorts_up_then_down_then_worst_first_again(page):
    first = rows(page)
    assert [row[0] for row in first[:3]] == ["✕rejected"] * 3
    for expected in ("ascending", "descending"):
        heading(page, "file").find_element(By.TAG_NAME, "button").click()
        assert heading(page, "file").get_attribute("aria-sort") == expected
        files = [row[1] for row in rows(page)]
        assert files == sorted(files, reverse=expected == "descending")
    heading(page, "file").find_element(By.TAG_NAME, "button").click()
    assert heading(page, "file").get_attribute("aria-sort") is None
    assert rows(page) == first


def test_rows_without_a_value_stand_last_in_either_direction(page):
    for _ in range(2):
        heading(page, "signed").find_element(By.TAG_NAME, "button").click()
        assert rows(page)[0][2] != ""


def test_search_takes_every_word_and_says_how_many_are_left(page):
    search(page, "package-00003 linux-64", "5 packages")
    assert all("package-00003" in row[1] for row in rows(page))
    search(page, " nothing-like-it", "0 packages")
    assert rows(page) == []


def test_a_signer_filters_the_table_and_can_be_let_go(page):
    button = page.find_element(By.CSS_SELECTOR, "[data-signer]")
    signer = button.get_attribute("data-signer")
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    assert {row[2] for row in rows(page)} == {signer}
    assert "28 packages" in count(page)
    page.find_element(By.CSS_SELECTOR, "#chips button").click()
    assert button.get_attribute("aria-pressed") == "false"
    assert f"of {WHOLE} packages" in count(page)
    assert page.switch_to.active_element.get_attribute("id") == "search"


def test_a_code_and_a_status_filter_together(page):
    page.find_element(By.CSS_SELECTOR, "[data-code=AUDIT-DOWNGRADE]").click()
    assert page.switch_to.active_element.get_attribute("id") == "packages"
    page.find_element(By.CSS_SELECTOR, "[data-status=unattested]").click()
    assert {row[0] for row in rows(page)} == {"\u2013unattested"}
    page.find_element(By.CSS_SELECTOR, "[data-status=unattested]").click()
    page.find_element(By.CSS_SELECTOR, "[data-status=accepted]").click()
    assert "0 packages" in count(page)


def test_pages_turn_and_stop_at_the_ends(page):
    assert not page.find_element(By.ID, "previous").is_enabled()
    seen = []
    for number in range(1, WHOLE // STATIC + 1):
        assert page.find_element(By.ID, "page").text == f"page {number} of {WHOLE // STATIC}"
        seen += [row[1] for row in rows(page)]
        if page.find_element(By.ID, "next").is_enabled():
            page.execute_script("document.getElementById('next').click()")
    assert len(set(seen)) == WHOLE


def test_everything_is_reached_and_used_from_the_keyboard(page):
    press(page, Keys.TAB)
    assert page.switch_to.active_element.text == "Skip to the packages"
    press(page, Keys.ENTER)
    reached = []
    for _ in range(80):
        press(page, Keys.TAB)
        active = page.switch_to.active_element
        reached.append((active.get_attribute("data-signer") and "signer") or active.get_attribute("id") or active.text)
        outline = active.value_of_css_property("outline-style")
        assert outline != "none", f"no focus is seen on {reached[-1]}"
        if reached[-1] == "findings":
            break
    assert {"signer", "search", "status", "package", "findings"} <= set(reached)
    press(page, Keys.ENTER)
    assert heading(page, "findings").get_attribute("aria-sort") == "ascending"
    press(page, Keys.SPACE)
    assert heading(page, "findings").get_attribute("aria-sort") == "descending"


@pytest.mark.parametrize("width", [400, 900, 1600])
def test_nothing_is_wider_than_the_window(browser, pages, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    for name in ("calm", "hostile"):
        browser.get(Path(pages / f"{name}.html").as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") == width
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_without_javascript_the_worst_packages_are_there(browser, pages):
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    browser.get((pages / "calm.html").as_uri())
    assert len(browser.find_elements(By.CSS_SELECTOR, "#rows tr")) == STATIC
    assert not browser.find_element(By.ID, "controls").is_displayed()
    assert "With JavaScript" in browser.find_element(By.ID, "packages").text
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
