"""docs/uses.md says what the benchmark of uses wrote, and the results reach the bars."""

import sys

import numpy as np
import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def page():
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import uses_page

    yield uses_page
    sys.path.remove(str(ROOT / "benchmarks"))


def test_the_page_is_that_of_the_results(page):
    assert (ROOT / "docs" / "uses.md").read_text() == page.text()


def test_each_picture_is_there(page):
    text = page.text()
    for picture in (ROOT / "docs" / "uses").glob("*.png"):
        assert f"](uses/{picture.name})" in text
    assert text.count("](uses/") == len(list((ROOT / "docs" / "uses").glob("*.png")))


def test_a_digit_that_was_left_out_is_found(page):
    rows = page.load("leave_one_out")
    found = [row["test_32"]["combined"] for row in rows]
    assert len(found) == 10 and np.mean(found) >= 0.93 and min(found) >= 0.80
    assert np.mean(found) > page.mean(rows, "test_32", "pixel_neighbors")


def test_what_is_no_digit_is_found(page):
    found = page.load("gibberish")
    assert set(found) == {"binary", "grey"}
    for rows in found.values():
        assert len(rows) == 5
        assert all(scores["combined"] >= 0.99 for scores in rows.values())
        # A plain likelihood takes constant images for likely ones.
        assert rows["constant images"]["negative_elbo"] < 0.95


def test_of_many_tables_the_default_score_knows_most(page):
    others = [row["auroc"] for row in page.load("tables") if not row["is_test"]]
    means = {name: np.mean([row[name] for row in others]) for name in others[0]}
    baselines = ("isolation forest", "one-class SVM", "PCA reconstruction", "k-NN distance")
    assert len(others) > 50
    assert means["keras_vae"] > max(means[name] for name in baselines)


def test_the_rate_of_false_alarms_is_the_one_asked_for(page):
    found = page.alarm_rates(page.load("alarms"))
    assert sorted(found) == [0.01, 0.05]
    for average, interval, _, seeds in found.values():
        assert seeds == 20 and interval[0] <= average <= interval[1]


def test_z_tells_more_with_few_labels(page):
    rows = page.load("probe")
    means = {(r["labels"], r["classifier"], r["of"]): np.mean(r["accuracy"]) for r in rows}
    for classifier in ("linear", "knn"):
        assert means[100, classifier, "z"] >= means[100, classifier, "pixels"] + 0.10
        for labels in (10, 100, 1000, None):
            assert (
                means[labels, classifier, "z"] > means[labels, classifier, "principal components"]
            )


def test_noise_is_taken_away_better_than_by_filters_and_projections(page):
    gain = page.load("denoise")["gain"]
    ours = gain.pop("keras_vae")
    assert ours >= 11 and len(gain) == 4 and ours > max(gain.values())


def test_the_label_of_what_was_filled_in_can_be_read(page):
    found = page.load("inpaint")
    accuracy = found["accuracy"]
    assert found["known_unchanged"] and found["samples_differ"]
    for method in ("gibbs", "gradient"):
        assert accuracy[method] >= 0.8 * accuracy["original"]
        assert accuracy[method] > accuracy["right half empty"]


@pytest.mark.parametrize(("kind", "most"), [("binary", 0.17), ("8 bits", 1.38)])
def test_all_test_images_take_few_bits_and_come_back(page, kind, most):
    found = page.load("compress")[kind]
    assert found["equal"] and found["images"] == 10_000
    assert found["bits_per_pixel"] == 8 * found["bytes"] / 10_000 / 784 <= most
    assert found["bits_per_pixel"] <= 1.02 * found["elbo_bits_per_pixel"]
    assert found["bits_per_pixel"] < min(o["bits_per_pixel"] for o in found["others"].values())


def test_the_label_that_was_asked_for_is_read(page):
    found = page.load("condition")
    assert found["images"] == 1000
    of = found["of"]
    assert of["test images"]["read"] >= 0.99
    assert of["keras_vae"]["read"] >= 0.97
    # Mean images are read too, and are all the same.
    assert of["keras_vae"]["spread"] > 0.5 > of["mean image of the label"]["spread"]


def test_few_labels_go_far(page):
    errors = page.few_label_errors()
    assert all(len(values) == 5 for values in errors.values())
    means = {name: np.mean(values) for name, values in errors.items()}
    assert means["M2"] <= 0.12 and means["M1+M2"] <= 0.05
    others = [value for name, value in means.items() if not name.startswith("M")]
    assert len(others) == 3 and means["M1+M2"] < means["M2"] < min(others)
