"""A headless Chromium, as a person uses it: what is seen, clicked and typed, and what the browser complained about."""

import json

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from .wait import Folder, wait_for

QUIET = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--hide-scrollbars", "--force-device-scale-factor=1", "--lang=en-GB")


class Browser:
    """A window of its own with nothing remembered; `width` is the page's, as on a phone or a desktop."""

    def __init__(self, width=1200, height=900):
        self.folder = Folder("chromium")
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for word in (*QUIET, f"--user-data-dir={self.folder.path}", f"--window-size={width},{height}"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        self.driver.set_page_load_timeout(20)
        self.look_like(width, height)

    def look_like(self, width, height=900, scheme="light"):
        """A screen of that size, to a user who prefers that colour scheme."""
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})

    def open(self, url):
        self.driver.get(url)

    def js(self, text, *arguments):
        """The value of an expression in the page."""
        return self.driver.execute_script(f"return {text}", *arguments)

    def text(self, selector="body"):
        """What a person reads there."""
        return self.js("(document.querySelector(arguments[0]) || {innerText: ''}).innerText", selector)

    def rows(self, selector):
        """The cells' texts of a table's rows."""
        return self.js("[...document.querySelectorAll(arguments[0] + ' tbody tr')].map((row) => [...row.cells].map((cell) => cell.innerText))", selector)

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def click(self, selector):
        self.find(selector).click()

    def type(self, selector, text):
        field = self.find(selector)
        field.clear()
        field.send_keys(text)

    def press(self, *keys):
        """Keys to whatever has the focus."""
        action = webdriver.ActionChains(self.driver)
        for key in keys:
            action.send_keys(getattr(Keys, key, key))
        action.perform()

    def wait(self, fact, what, deadline=20.0):
        """wait_for(), with what the page shows and the browser complained about where it is in vain."""
        try:
            return wait_for(fact, what, deadline)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n--- the page:\n{self.text()}\n--- complaints: {self.complaints()}") from None

    def complaints(self):
        """What the console holds by now that is no mere note, each once."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def scheme_of(self, selector):
        """The colours of an element, as [r, g, b]: text, and what is behind it."""
        style = self.js("(({color, backgroundColor}) => [color, backgroundColor])(getComputedStyle(document.querySelector(arguments[0])))", selector)
        return [json.loads("[" + one[one.index("(") + 1:one.index(")")] + "]")[:3] for one in style]

    def picture(self, path):
        self.driver.save_screenshot(str(path))

    def close(self):
        self.driver.quit()
        self.folder.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
