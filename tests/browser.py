"""What the tests of the page share: a browser, a site in it, and what Python draws."""

import contextlib
import json
import shutil
import threading
import time

import numpy as np
from selenium import webdriver
from selenium.webdriver.common.by import By

from export import load, serve

CHROMIUM, DRIVER = (shutil.which(name) for name in ("chromium", "chromedriver"))
_SECONDS = 60
# A step of a byte, which the rounding of floats may take.
_ROUNDING = 1


def open_browser(*flags, preferences=None):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    # Without a sandbox it runs as root too.
    common = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1280,900")
    for flag in (*common, *flags):
        options.add_argument(flag)
    options.add_experimental_option("prefs", preferences or {})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))


class Page:
    """A site that the browser shows, and what Python knows of it."""

    def __init__(self, driver, folder, address):
        self.driver, self.address = driver, address
        self.settings = json.loads((folder / "site.json").read_text())
        self.file = load(folder / self.settings["file"])
        self.requests = []
        self.open()

    def open(self):
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(self.address)
        wait(lambda: self.state() != "loading")
        return self

    def state(self):
        return self.driver.execute_script("return document.documentElement.dataset.state")

    def find(self, selector):
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def pixels(self, selector="#picture"):
        """Return the bytes of a canvas, with the channels of the model."""
        code = "const c = document.querySelector(arguments[0]); return [c.height, c.width, "
        code += "...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]"
        height, width, *data = self.driver.execute_script(code, selector)
        return np.array(data).reshape(height, width, 4)[..., : self.settings["shape"][2]]

    def draw(self, seed):
        self.find("#seed").clear()
        self.find("#seed").send_keys(str(seed))
        before = self.find("#samples button")
        self.find("#random button").click()
        wait(lambda: self.find("#samples button") != before)

    def do(self, action):
        """Do what draws another image, and return its pixels."""
        before = self.pixels()
        action()
        wait(lambda: (self.pixels() != before).any())
        # Nothing more is under way.
        while (before != (before := self.pixels())).any():
            time.sleep(0.1)
        return before

    def centre(self):
        """Go to the centre; return its z."""
        self.find("#centre").click()
        z = np.array(self.settings["centre"], "float32")
        wait(lambda: near(self.pixels(), as_bytes(self.file.decode(z[None])[0])))
        return z

    def decoded(self, z, **places):
        """Return the bytes of z with units at places of their sliders, 0 the low end."""
        z = np.array(z, "float32")
        for name, place in places.items():
            unit = next(u for u in self.settings["units"] if u["unit"] == int(name[1:]))
            z[unit["unit"]] = unit["low"] + place * (unit["high"] - unit["low"])
        return as_bytes(self.file.decode(z[None])[0])


def wait(condition):
    end = time.monotonic() + _SECONDS
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def as_bytes(image):
    return np.rint(np.clip(image, 0, 1) * np.float32(255))


def near(found, expected, tolerance=_ROUNDING):
    return np.abs(found - expected).max() <= tolerance


@contextlib.contextmanager
def at_server(folder):
    with serve.serving(folder, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield serve.address(server)
        server.shutdown()
