"""The page of `keras-vae export web` in a real browser: Chromium without a window."""

import contextlib
import functools
import http.server
import json
import re
import shutil
import threading

import numpy as np
import pytest

import keras_vae as kv
from export import web, web_runtime

pytest.importorskip("selenium", reason="selenium is not installed: make test-browser")

from browser import CHROMIUM, DRIVER, Page, as_bytes, at_server, near, open_browser, wait
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.actions.pointer_input import PointerInput
from selenium.webdriver.common.by import By
from selenium.webdriver.support.select import Select

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="chromium or its driver is missing: make test-browser"
    ),
    pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed"),
]


@pytest.fixture(scope="module")
def driver():
    with open_browser() as driver:
        yield driver


@pytest.fixture(scope="module")
def site(command_line, trained_run, tmp_path_factory):
    """The folder of a site of digits, with the runtime in it."""
    folder = tmp_path_factory.mktemp("web") / "site"
    options = ("--out", folder, "--runtime", "vendored")
    outcome = command_line("export", "web", trained_run, *options)
    assert outcome.status == 0, outcome.err
    return folder


@pytest.fixture(scope="module")
def page(driver, site):
    with at_server(site) as address:
        yield Page(driver, site, address)


@pytest.fixture
def shown(driver, tmp_path):
    """A function that shows a VAE, with its runtime in the site."""
    with contextlib.ExitStack() as stack:

        def show(vae, **options):
            folder = web(vae, tmp_path / "site", runtime="vendored", **options).path
            return Page(driver, folder, stack.enter_context(at_server(folder)))

        yield show


def test_the_page_loads_without_an_error_and_reaches_nobody_else(page):
    page.open()
    assert page.state() == "ready" and page.find("#app").is_displayed()
    assert not page.find("#notice").is_displayed()
    page.draw(3)
    errors = [one for one in page.driver.get_log("browser") if one["level"] == "SEVERE"]
    assert errors == []
    events = [json.loads(one["message"])["message"] for one in page.driver.get_log("performance")]
    urls = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert any(url.endswith(".wasm") for url in urls)
    assert all(url.startswith(page.address) for url in urls), urls


def test_the_images_of_a_seed_are_those_that_python_draws(page):
    page.draw(7)
    expected = as_bytes(page.file.generate(8, seed=7).image)
    assert near(page.pixels(), expected[0])
    for row, image in enumerate(expected):
        assert near(page.pixels(f"#samples button:nth-child({row + 1}) canvas"), image)
    assert np.abs(expected[0] - expected[1]).max() > 50
    page.find("#samples button:nth-child(2)").click()
    assert near(page.pixels(), expected[1])


def test_another_seed_draws_other_images(page):
    page.draw(7)
    before = page.find("#seed").get_attribute("value")
    drawn = page.do(page.find("#another").click)
    seed = page.find("#seed").get_attribute("value")
    assert seed != before
    assert near(drawn, as_bytes(page.file.generate(1, seed=int(seed)).image[0]))


def test_a_slider_changes_the_picture_by_keys(page):
    z = page.centre()
    slider = page.find("#sliders input")
    unit = int(slider.get_attribute("id").removeprefix("unit-"))
    assert unit == page.settings["units"][0]["unit"]
    drawn = page.do(lambda: slider.send_keys(Keys.END))
    assert near(drawn, page.decoded(z, **{f"u{unit}": 1.0}))
    drawn = page.do(lambda: slider.send_keys(Keys.HOME))
    assert near(drawn, page.decoded(z, **{f"u{unit}": 0.0}))


@pytest.mark.parametrize("kind", ["mouse", "touch"])
def test_dragging_in_the_plane_moves_its_two_units(page, kind):
    z = page.centre()
    plane = page.find("#plane")
    width, height = plane.size["width"], plane.size["height"]

    def drag():
        pointer = PointerInput(kind, kind)
        actions = ActionBuilder(page.driver, mouse=pointer)
        actions.pointer_action.move_to(plane, 0, 0).pointer_down()
        actions.pointer_action.move_to(plane, round(width * 0.3), round(height * -0.2))
        actions.pointer_action.pointer_up()
        actions.perform()

    drawn = page.do(drag)
    across, up = (f"u{unit['unit']}" for unit in page.settings["units"][:2])
    # A pixel of the pointer is some thousandths of an axis.
    assert near(drawn, page.decoded(z, **{across: 0.8, up: 0.7}), tolerance=6)
    assert not near(drawn, page.decoded(z, **{across: 0.8, up: 0.3}), tolerance=6)
    actions = ActionChains(page.driver).move_to_element(plane)
    actions.perform()
    assert near(page.pixels(), drawn, tolerance=0)


def test_the_plane_follows_the_arrow_keys(page):
    z = page.centre()
    units = page.settings["units"][:2]
    at = [(z[u["unit"]] - u["low"]) / (u["high"] - u["low"]) for u in units]
    across, up = (f"u{unit['unit']}" for unit in units)
    plane = page.find("#plane")
    page.do(lambda: plane.send_keys(Keys.ARROW_RIGHT, Keys.SHIFT, Keys.ARROW_UP, Keys.NULL))
    wait(
        lambda: near(page.pixels(), page.decoded(z, **{across: at[0] + 1 / 40, up: at[1] + 1 / 8}))
    )
    page.do(lambda: plane.send_keys(Keys.HOME))
    wait(lambda: near(page.pixels(), page.decoded(z, **{across: 0.5, up: 0.5})))


def test_the_plane_takes_other_units_and_never_one_twice(page):
    units = [str(unit["unit"]) for unit in page.settings["units"]]
    across, up = page.find("#across"), page.find("#up")
    Select(across).select_by_value(units[1])
    assert [one.get_attribute("value") for one in (across, up)] == [units[1], units[0]]
    Select(across).select_by_value(units[3])
    z = page.centre()
    drawn = page.do(lambda: page.find("#plane").send_keys(Keys.HOME))
    assert near(drawn, page.decoded(z, **{f"u{units[3]}": 0.5, f"u{units[0]}": 0.5}))
    page.open()


def test_the_plane_is_a_map_of_what_lies_where(page):
    page.open()
    # Nine cells of eight pixels and a gap.
    wait(lambda: page.pixels("#map").shape == (81, 81, 1))
    z = page.file.generate(1, seed=0).z[0]
    across, up = (f"u{unit['unit']}" for unit in page.settings["units"][:2])
    left_bottom = page.pixels("#map")[8 * 9 : 8 * 9 + 8, :8]
    assert near(left_bottom, page.decoded(z, **{across: 0.5 / 9, up: 0.5 / 9}))


def test_the_morph_goes_from_one_image_to_the_other(page):
    page.open()
    start, end = page.file.generate(2, seed=0).z
    between = page.find("#between")
    drawn = page.do(lambda: between.send_keys(Keys.END))
    assert near(drawn, page.decoded(end))
    page.do(lambda: between.send_keys(Keys.HOME, *[Keys.ARROW_RIGHT] * 50))
    wait(lambda: near(page.pixels(), page.decoded((start + end) / 2)))
    page.find("#samples button:nth-child(5)").click()
    page.find("#from").click()
    page.find("#play").click()
    assert page.find("#play").text == "Pause"
    wait(lambda: page.find("#play").text == "Play")
    assert between.get_attribute("value") == "100"
    wait(lambda: near(page.pixels(), page.decoded(end)))
    drawn = page.do(lambda: between.send_keys(Keys.HOME))
    assert near(drawn, as_bytes(page.file.generate(5, seed=0).image[4]))


def test_it_says_the_time_and_what_runs(page):
    page.draw(7)
    assert re.fullmatch(r"Drawn in \d+\.\d ms \(median \d+\.\d\)", page.find("#time").text)
    facts = page.find("#facts").text
    assert facts.startswith("model_float32.tflite: ") and "float32, 8×8 grey, 4 latent" in facts
    assert "@litertjs/core 2.5.3 in this browser. Nothing is sent anywhere." in facts


def test_a_screen_reader_finds_names_and_hears_of_changes(page):
    page.open()
    controls = page.driver.find_elements(By.CSS_SELECTOR, "#app :is(button, input, select, canvas)")
    shown = [one for one in controls if one.is_displayed() and one.aria_role != "none"]
    names = [one.accessible_name for one in shown if not one.get_attribute("aria-hidden")]
    assert len(names) > 20
    inner = [one for one in shown if not one.accessible_name]
    assert {one.tag_name for one in inner} <= {"canvas"}
    assert page.find("#plane").accessible_name.startswith("Plane: unit ")
    said = page.find("#said")
    # One voice: what moves with it, such as the value of every slider, is silent.
    live = "[role=status], output:not([aria-hidden]), [aria-live]"
    shown = [one for one in page.driver.find_elements(By.CSS_SELECTOR, live) if one.is_displayed()]
    assert shown == [said]
    before = said.get_attribute("textContent")
    page.find("#sliders input").send_keys(Keys.END)
    wait(lambda: said.get_attribute("textContent") != before)
    assert page.find("#picture").accessible_name == said.get_attribute("textContent")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_in_both_colour_schemes(page, scheme):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    command = page.driver.execute_cdp_cmd
    command("Emulation.setDeviceMetricsOverride", size)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    command("Emulation.setEmulatedMedia", {"features": [feature]})
    page.open()
    code = "return [document.documentElement.scrollWidth, innerWidth, "
    code += "...['backgroundColor', 'color'].map((p) => getComputedStyle(document.body)[p])]"
    scroll, inner, ground, text = page.driver.execute_script(code)
    code = "document.querySelector('#between').scrollIntoView({ block: 'end' }); "
    code += "return document.querySelector('#picture').getBoundingClientRect().toJSON()"
    picture = page.driver.execute_script(code)
    command("Emulation.clearDeviceMetricsOverride", {})
    command("Emulation.setEmulatedMedia", {"features": []})
    assert scroll <= inner == 390
    # In sight of the last control.
    assert picture["top"] >= 0 and 150 < picture["bottom"] < 400
    ground, text = (sum(map(int, re.findall(r"\d+", colour)[:3])) for colour in (ground, text))
    assert (ground > text) == (scheme == "light") and abs(ground - text) > 450


def test_a_class_is_chosen_by_its_name(shown, images):
    sizes = {"latent_dim": 2, "condition_dim": 3, "units": (8,)}
    vae = kv.ConditionalVAE(
        kv.networks.conditional_encoder(kv.networks.mlp_encoder, (4, 4, 1), **sizes, seed=0),
        kv.networks.conditional_decoder(kv.networks.mlp_decoder, (4, 4, 1), **sizes, seed=1),
        num_classes=3,
        seed=2,
    )
    vae.compile("adam")
    vae.fit(images, np.arange(40) % 3, epochs=20, verbose=0)
    page = shown(vae, about={"labels": ["cat", "dog", "owl"]})
    select = Select(page.find("#label"))
    names = [option.text for option in select.options]
    assert names[-3:] == ["cat", "dog", "owl"]
    page.do(lambda: select.select_by_visible_text("owl"))
    page.draw(7)
    expected, z = page.file.generate(1, seed=7, label=2)
    assert near(page.pixels(), as_bytes(expected[0]))
    drawn = page.do(lambda: select.select_by_visible_text("dog"))
    assert near(drawn, as_bytes(page.file.decode(z, label=1)[0]))


@pytest.mark.parametrize(("latent_dim", "channels"), [(1, 3), (512, 4)])
def test_one_unit_and_many_in_colour(shown, latent_dim, channels):
    shape = (6, 9, channels)
    vae = kv.VAE(
        kv.networks.mlp_encoder(shape, latent_dim, units=(8,), seed=0),
        kv.networks.mlp_decoder(shape, latent_dim, units=(8,), seed=1),
        seed=2,
    )
    vae(np.zeros((1, *shape)))
    page = shown(vae)
    assert page.state() == "ready"
    page.draw(7)
    expected = as_bytes(page.file.generate(1, seed=7).image[0])
    if channels == 4:
        # A canvas keeps colours multiplied by alpha.
        assert near(page.pixels()[..., 3], expected[..., 3])
    else:
        assert near(page.pixels(), expected)
    assert page.find("#plane").is_displayed() == (latent_dim > 1)
    sliders = page.driver.find_elements(By.CSS_SELECTOR, "#sliders input")
    assert len(sliders) == min(latent_dim, 8)
    if latent_dim > 8:
        page.find("#more").click()
        assert len(page.driver.find_elements(By.CSS_SELECTOR, "#sliders input")) == latent_dim
    page.do(lambda: page.find("#sliders label:last-child input").send_keys(Keys.HOME, Keys.END))


def test_a_uint8_file_of_half_precision_is_drawn_too(shown, make_vae, images, tmp_path):
    from export import export

    vae = make_vae()
    vae(images)
    export(vae, tmp_path / "export", "tflite", "float16", ("decode", "generate"), uint8=True)
    page = shown(vae, precision="float16", exported=tmp_path / "export")
    page.draw(7)
    expected = page.file.generate(1, seed=7).image[0]
    assert expected.dtype == np.uint8 and near(page.pixels(), expected.astype(int))
    assert "float16" in page.find("#facts").text


def notice_of(driver, address):
    driver.get(address)
    notice = driver.find_element(By.ID, "notice")
    wait(lambda: not notice.text.startswith("Loading"))
    assert notice.is_displayed() and notice.get_attribute("role") == "alert"
    return notice.text


def test_without_webassembly_it_says_so(site):
    # An engine that may not compile at run time offers none.
    with open_browser("--js-flags=--jitless") as driver, at_server(site) as address:
        assert "This browser has no WebAssembly" in notice_of(driver, address)


def test_without_javascript_it_says_so(site):
    setting = {"profile.managed_default_content_settings.javascript": 2}
    with open_browser(preferences=setting) as driver, at_server(site) as address:
        driver.get(address)
        assert "Allow JavaScript" in driver.find_element(By.TAG_NAME, "body").text


def test_opened_as_a_file_it_says_how_to_see_it(driver, site):
    text = notice_of(driver, (site / "index.html").as_uri())
    assert 'Show this folder with "keras-vae export serve"' in text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("model_float32.tflite", r"model_float32\.tflite did not load: the server says 404"),
        ("litert/litert_wasm_internal.wasm", r"The runtime of LiteRT did not load from litert/"),
        ("litert/litert_wasm_internal.js", r"The runtime of LiteRT did not load from litert/"),
        ("litert/litert.js", r"The page did not start"),
        ("app.js", r"The page did not start: http\S+app\.js did not load"),
    ],
)
def test_a_file_that_is_missing_is_named(driver, site, tmp_path, name, said):
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    (folder / name).unlink()
    with at_server(folder) as address:
        assert re.search(said, notice_of(driver, address))


def test_a_file_that_is_cut_off_is_named(driver, site, tmp_path):
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    file = folder / "model_float32.tflite"
    file.write_bytes(file.read_bytes()[:1000])
    with at_server(folder) as address:
        assert "has 1000 bytes instead of" in notice_of(driver, address)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("site.json", "site.json is not what keras-vae export web wrote"),
        ("model_float32.tflite", "model_float32.tflite is damaged, or this browser cannot run it"),
    ],
)
def test_a_file_with_other_bytes_is_named(driver, site, tmp_path, name, said):
    folder = tmp_path / "site"
    shutil.copytree(site, folder)
    with at_server(folder) as address:
        (folder / name).write_bytes(b"{" * (folder / name).stat().st_size)
        assert said in notice_of(driver, address)


def test_a_failure_while_it_runs_is_said(page):
    page.open()
    # As where a phone has no memory left for pictures.
    page.driver.execute_script("HTMLCanvasElement.prototype.getContext = () => null")
    page.find("#sliders input").send_keys(Keys.END)
    wait(lambda: page.find("#notice").is_displayed())
    assert page.find("#notice").text.startswith("The model cannot be shown. Cannot read")


class _OtherOrigin(http.server.SimpleHTTPRequestHandler):
    """Another host, which lets pages of any origin read its files, as a CDN does."""

    def end_headers(self):
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()

    def log_message(self, format, *args):
        pass


def test_the_shipped_bundle_runs_with_wasm_files_of_another_host(
    driver, site, tmp_path, monkeypatch, make_vae, images
):
    shutil.copytree(site / "litert", tmp_path / "cdn/@litertjs/core@2.5.3/wasm")
    handler = functools.partial(_OtherOrigin, directory=str(tmp_path / "cdn"))
    vae = make_vae()
    vae(images)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        monkeypatch.setattr(web_runtime, "_CDN", f"http://127.0.0.1:{other.server_address[1]}/")
        folder = web(vae, tmp_path / "site", runtime="cdn").path
        with at_server(folder) as address:
            page = Page(driver, folder, address)
            page.draw(7)
            assert near(page.pixels(), as_bytes(page.file.generate(1, seed=7).image[0]))
        other.shutdown()
