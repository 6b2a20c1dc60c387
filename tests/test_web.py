"""`keras-vae export web`: what is written, what it runs, and what is refused."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile

import keras
import numpy as np
import pytest
from conftest import ROOT

import keras_vae as kv
from export import export, load, rows, trees, web
from export import site as sites
from keras_vae import runs

PAGE = ROOT / "export/web_files/page"
SHIPPED = ROOT / "export/web_files/runtime/litert.js"
FILE = "model_float32.tflite"


def settings(site):
    return json.loads((site / "site.json").read_text())


def vae_of(shape, latent_dim, **parts):
    networks = (
        kv.networks.mlp_encoder(shape, latent_dim, units=(8,), seed=0),
        kv.networks.mlp_decoder(shape, latent_dim, units=(8,), seed=1),
    )
    return kv.VAE(*networks, **{"seed": 2, **parts})


@pytest.fixture(scope="module")
def written(command_line, trained_run, tmp_path_factory):
    """The site of a run, with the shipped bundle, and what the command said."""
    site = tmp_path_factory.mktemp("web") / "site"
    outcome = command_line("export", "web", trained_run, "--out", site, "--runtime", "cdn")
    assert outcome.status == 0, outcome.err
    return site, outcome


def test_the_command_says_what_it_wrote_and_how_to_see_it(written):
    site, outcome = written
    first, last = outcome.out.splitlines()
    assert re.fullmatch(
        rf"Wrote {site} \([\d.]+ kB, {FILE} of [\d.]+ kB, runtime from a CDN\)\.", first
    )
    assert last == f"Next: keras-vae export serve {site}"
    assert not list(site.parent.glob(".*"))


def test_every_file_that_the_page_asks_for_is_there(written):
    site, _ = written
    page = (site / "index.html").read_text()
    asked = set(re.findall(r'(?:src|href)="([^"]+)"', page))
    for script in site.glob("*.js"):
        asked |= set(re.findall(r"from '\./([^']+)'", script.read_text()))
    assert {"app.js", "start.js", "style.css", "litert/litert.js"} <= asked
    assert all((site / name).is_file() for name in asked)
    about = settings(site)
    assert (site / about["file"]).stat().st_size == about["bytes"]
    assert "Apache License" in (site / "litert/LICENSE.txt").read_text()
    assert "$" not in page and "<title>run</title>" in page


def test_the_page_may_reach_nothing_but_itself_and_the_runtime_at_its_version(written):
    site, _ = written
    policy = re.search(r'Policy" content="([^"]+)"', (site / "index.html").read_text()).group(1)
    wasm = "https://cdn.jsdelivr.net/npm/@litertjs/core@2.5.3/wasm/"
    assert settings(site)["wasm"] == wasm
    assert set(re.findall(r"https?:\S+?(?=[; ])", policy)) == {wasm}
    assert policy.startswith("default-src 'none';")


def test_the_file_draws_what_keras_draws(written, trained_run):
    site, _ = written
    drawn = load(site / FILE).generate(4, seed=7)
    expected = runs.load(trained_run).vae.generate(4, seed=7)
    np.testing.assert_allclose(drawn.image, np.asarray(expected), atol=1e-5)


def test_units_come_by_their_variance_and_sliders_reach_as_far_as_z(written, trained_run):
    site, _ = written
    run = runs.load(trained_run)
    held_out = np.concatenate([np.asarray(x) for x in run.load_data().validation])
    z = np.asarray(run.vae.embed(held_out))
    about = settings(site)
    order = [unit["unit"] for unit in about["units"]]
    assert order == np.argsort(-z.var(axis=0)).tolist()
    np.testing.assert_allclose(about["centre"], z.mean(axis=0), atol=1e-5)
    for unit in about["units"]:
        inside = (z[:, unit["unit"]] >= unit["low"]) & (z[:, unit["unit"]] <= unit["high"])
        assert inside.mean() > 0.97 and unit["low"] < -2 and unit["high"] > 2


@pytest.fixture(scope="module")
def tiny(make_vae, tmp_path_factory):
    """A VAE, and the options with which its site is written without another export."""
    vae = make_vae()
    vae(np.zeros((1, 4, 4, 1)))
    folder = tmp_path_factory.mktemp("tiny")
    export(vae, folder, "tflite", endpoints=("decode", "generate"))
    return vae, {"exported": folder}


@pytest.fixture
def run_with_export(trained_run, tmp_path, command_line):
    """A copy of the run, with a TFLite file in its export folder."""
    run = tmp_path / "run"
    shutil.copytree(trained_run, run)
    outcome = command_line("export", run, "--formats", "tflite")
    assert outcome.status == 0, outcome.err
    return run, run / "export/tflite" / FILE


@pytest.mark.slow
def test_the_run_s_own_export_is_taken_unless_it_is_of_another_model(
    run_with_export, command_line, tmp_path
):
    run, file = run_with_export
    site = tmp_path / "site"
    command = ("export", "web", run, "--out", site, "--runtime", "cdn")
    assert command_line(*command).status == 0
    assert (site / FILE).read_bytes() == file.read_bytes()
    vae = runs.load(run).vae
    vae.decoder.set_weights([weight * 1.5 for weight in vae.decoder.get_weights()])
    vae.save(run / runs.MODEL)
    assert command_line(*command).status == 0
    assert (site / FILE).read_bytes() != file.read_bytes()
    changed = np.asarray(vae.generate(2, seed=7))
    np.testing.assert_allclose(load(site / FILE).generate(2, seed=7).image, changed, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["changed", "not compared", "without generate"])
def test_an_export_that_is_unfit_is_not_taken(tiny, tmp_path, what):
    vae, options = tiny
    folder = tmp_path / "export"
    shutil.copytree(options["exported"], folder)
    report = json.loads((folder / "report.json").read_text())
    (entry,) = report["files"]
    if what == "not compared":
        entry["worst_error"] = None
    elif what == "without generate":
        entry["endpoints"].remove("generate")
    # A site takes the file as it is, so that another content tells whose it is.
    file = folder / entry["path"]
    file.write_bytes(file.read_bytes() + b" ")
    if what != "changed":
        entry["sha256"] = trees.tree_sha256(file)
    (folder / "report.json").write_text(json.dumps(report))
    site = web(vae, tmp_path / "site", exported=folder, runtime="cdn")
    assert site.file.read_bytes() == file.read_bytes()[:-1]


@pytest.mark.slow
def test_without_node_the_shipped_bundle_is_taken_and_it_is_said(
    trained_run, command_line, tmp_path, monkeypatch
):
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    site = tmp_path / "site"
    outcome = command_line("export", "web", trained_run, "--out", site)
    assert outcome.status == 0, outcome.err
    assert "Note: Vendoring the runtime takes Node and npm. Received: no node and no npm" in (
        outcome.out
    )
    assert "runtime from a CDN" in outcome.out
    assert (site / "litert/litert.js").read_bytes() == SHIPPED.read_bytes()
    assert settings(site)["privacy"].startswith("The runtime is fetched from cdn.jsdelivr.net")
    before = sorted(site.rglob("*"))
    outcome = command_line("export", "web", trained_run, "--out", site, "--runtime", "vendored")
    assert outcome.status == 1 and "Install Node" in outcome.err
    assert sorted(site.rglob("*")) == before and os.listdir(tmp_path) == ["site"]


def test_an_npm_that_fails_is_quoted(tiny, tmp_path, monkeypatch):
    vae, options = tiny
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("npm", "node"):
        (programs / name).write_text("#!/bin/sh\necho 'npm error network is down' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin:/usr/bin")
    site = web(vae, tmp_path / "site", **options)
    assert "npm error network is down" in site.note and not site.is_vendored
    with pytest.raises(RuntimeError, match="network is down"):
        web(vae, tmp_path / "other", runtime="vendored", **options)
    assert not (tmp_path / "other").exists()


def test_a_site_is_replaced_and_what_is_none_of_its_files_stays(tiny, tmp_path):
    vae, options = tiny
    site = web(vae, tmp_path / "site", runtime="cdn", **options).path
    (site / "CNAME").write_text("vae.example")
    (site / "model_float16.tflite").write_text("of a site in another precision")
    (site / "app.js").unlink()
    web(vae, site, runtime="cdn", about={"name": "<b>$x</b>"}, **options)
    assert (site / "CNAME").read_text() == "vae.example" and (site / "app.js").is_file()
    assert not (site / "model_float16.tflite").exists()
    assert f"<h1>{html.escape('<b>$x</b>')}</h1>" in (site / "index.html").read_text()
    assert os.listdir(tmp_path) == ["site"]


@pytest.mark.slow
@pytest.mark.parametrize("latent_dim", [1, 512])
def test_one_unit_and_many_are_written(tmp_path, latent_dim):
    vae = vae_of((4, 6, 3), latent_dim)
    vae(np.zeros((1, 4, 6, 3)))
    about = settings(web(vae, tmp_path / "site", runtime="cdn").path)
    assert [unit["unit"] for unit in about["units"]] == list(range(latent_dim))
    assert about["shape"] == [4, 6, 3] and len(about["centre"]) == latent_dim
    assert about["order"].startswith("In their own order")


@pytest.mark.slow
@pytest.mark.parametrize("drop", [0.0, 0.2])
def test_classes_have_their_names_and_none_where_it_is_legal(tmp_path, images, drop):
    vae = conditional(drop)
    labels = np.arange(40) % 3
    vae.fit(images, labels, epochs=1, verbose=0)
    site = web(
        vae,
        tmp_path / "site",
        data=[(images, labels)],
        about={"labels": ["a", "b", "c"]},
        runtime="cdn",
    )
    about = settings(site.path)
    assert about["labels"] == {"names": ["a", "b", "c"], "none": drop > 0}
    z = np.asarray(vae.embed(images, labels))
    np.testing.assert_allclose(about["centre"], z.mean(axis=0), atol=1e-5)


def conditional(drop=0.0, **kind):
    sizes = {"latent_dim": 2, "condition_dim": 3, "units": (8,)}
    networks = (
        kv.networks.conditional_encoder(kv.networks.mlp_encoder, (4, 4, 1), **sizes, seed=0),
        kv.networks.conditional_decoder(kv.networks.mlp_decoder, (4, 4, 1), **sizes, seed=1),
    )
    vae = kv.ConditionalVAE(*networks, label_drop=drop, seed=2, **(kind or {"num_classes": 3}))
    vae.compile(keras.optimizers.Adam(0.01))
    return vae


def refused(vae, event_shape, directory, **options):
    vae(np.zeros((1, *event_shape)))
    with pytest.raises(ValueError) as caught:
        web(vae, directory / "site", **{"runtime": "cdn", **options})
    assert not (directory / "site").exists()
    return str(caught.value)


def test_what_a_page_cannot_show_is_refused(tmp_path):
    two = refused(vae_of((4, 4, 2), 2), (4, 4, 2), tmp_path)
    assert "of 1, 3 or 4 channels. Received: images of shape (4, 4, 2)" in two
    row = refused(vae_of((5,), 2, likelihood="gaussian"), (5,), tmp_path)
    assert "images of shape (5,)" in row
    columns = kv.data.load({"a": np.arange(40.0), "b": np.arange(40.0)}, batch_size=10).columns
    table = kv.VAE(
        kv.networks.table_encoder(columns, latent_dim=2, seed=0),
        kv.networks.table_decoder(columns, latent_dim=2, seed=1),
        likelihood=kv.likelihoods.Tabular(columns),
    )
    assert "a model of a table" in refused(table, (2,), tmp_path)


def test_labels_that_are_vectors_are_refused(tmp_path, images):
    vae = conditional(num_classes=None)
    vae.fit(images, np.zeros((40, 3), "float32"), epochs=1, verbose=0)
    with pytest.raises(ValueError, match="labels are vectors of 3 numbers"):
        web(vae, tmp_path / "site", runtime="cdn")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--precision", "full_int8"), "`precision` must be one of 'float32', 'float16', 'dynam"),
        (("--runtime", "cnd"), "`runtime` must be one of 'auto', 'vendored', 'cdn'. Received"),
    ],
)
def test_a_wrong_option_is_refused(command_line, trained_run, tmp_path, options, text):
    outcome = command_line("export", "web", trained_run, "--out", tmp_path / "site", *options)
    assert outcome.status == 2 and text in outcome.err
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("kind", ["file", "foreign folder", "run"])
def test_a_place_of_something_else_is_left_alone(command_line, trained_run, tmp_path, kind):
    out = trained_run if kind == "run" else tmp_path / "out"
    if kind == "file":
        out.write_text("mine")
    elif kind == "foreign folder":
        out.mkdir()
        (out / "site.json").write_text('{"format": "another"}')
    outcome = command_line("export", "web", trained_run, "--out", out, "--runtime", "cdn")
    assert outcome.status == 2 and "--out must be" in outcome.err
    assert kind != "file" or out.read_text() == "mine"
    assert kind == "file" or not (out / "index.html").exists()


def test_no_run_is_said(command_line, tmp_path):
    outcome = command_line("export", "web", tmp_path / "none", "--out", tmp_path / "site")
    assert outcome.status == 2 and "RUN must be a run folder" in outcome.err


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_page_makes_the_row_seeds_of_every_exported_file():
    code = f"import {{ rowSeeds }} from '{PAGE}/seeds.js';"
    code += "console.log(JSON.stringify([0, 7, 2 ** 31 - 1].map((s) => [...rowSeeds(s, 5)])))"
    command = ["node", "--experimental-default-type=module", "--input-type=module", "-e", code]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    expected = [rows.row_seeds(seed, 5).tolist() for seed in (0, 7, 2**31 - 1)]
    assert json.loads(result.stdout) == expected


def test_the_precisions_are_those_that_carry_a_decoder_and_a_sampler():
    assert sites.PRECISIONS == ("float32", "float16", "dynamic", "int8", "int16x8")


def test_the_measured_page_keeps_up_with_a_screen():
    measured = json.loads((ROOT / "benchmarks/results/web.json").read_text())
    assert measured["model"].startswith("[28, 28, 1], D=16") and measured["frames"] >= 500
    # Of sixty pictures a second each has 16 ms.
    assert measured["run_ms"]["p95"] <= measured["frame_ms"]["p95"] < 16


@pytest.mark.slow
def test_a_wheel_has_every_file_of_the_page(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("keras_vae", "export", "keras_vae_cli"):
        shutil.copytree(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", str(tmp_path), str(source)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in (ROOT / "export/web_files").rglob("*") if path.is_file()]
    assert {path.relative_to(ROOT).as_posix() for path in files} <= names


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("npm") is None, reason="npm is not installed")
def test_the_shipped_bundle_is_what_npm_and_esbuild_make(tmp_path):
    from export import web_runtime

    web_runtime.bundle(tmp_path)
    assert (tmp_path / web_runtime.BUNDLE).read_bytes() == SHIPPED.read_bytes()
