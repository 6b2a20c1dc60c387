"""The text of docs/uses.md around its numbers."""

HEAD = """\
# What a VAE is for

One trained model, and what it is used for: each with its command, its picture, and its number
beside an honest baseline. `python benchmarks/uses.py` measures all of it anew, on two CPU cores:
MNIST of TensorFlow Datasets, a VAE of two gated dense layers of 300 units on each side, trained
for 20 epochs on pixels that are binarised anew in each, which takes about 40 s. RUN is the folder
of a training, and INPUT what `keras-vae train` takes as SOURCE, an image file, or `train`,
`validation` or `test` for that part of the run's own data.

"""
MORPH = """\
## Morph and explore

```bash
keras-vae interpolate RUN a.png b.png --path spherical --out morph.gif
keras-vae attribute RUN --from 9 --to 4 --out attribute.png
keras-vae traverse RUN --out traversal.png
keras-vae manifold RUN --out manifold.png
```

![Between two test images: the straight line above, the great circle below](uses/morph.png)

Between two test images: the straight line in z above, the great circle below. As `.gif` it moves,
as `.npy` it is the array.

![From nines to fours along the vector of the attribute](uses/attribute.png)

Test images of nines, moved by the mean z of the fours less that of the nines.

![One axis of z in each row](uses/traversal.png)

Along each axis of z, the most active one in the first row.

![A grid over two latent dimensions](uses/manifold.png)

A model of two latent dimensions: a grid even in the probability of the prior.

In Python: `kv.latent.morph`, `interpolate`, `attribute`, `shift`, `traverse`, `manifold`, and
`kv.plotting.save_sequences`.

"""
EMBED = """\
## Embed

```bash
keras-vae embed RUN INPUT --out z.parquet
keras-vae scatter RUN --out scatter.png
```

![t-SNE of the z of 2,000 test images](uses/scatter.png)

z of 2,000 test images by t-SNE; the colours are the labels, which the model never saw.
`kv.estimators.VAETransformer` is the same for scikit-learn's pipelines.

Accuracy over the 10,000 test images of simple classifiers that see so many labelled images, the
mean of ten draws (one for all 60,000), from the {dimensions} numbers of z (a mixture of 20 normal
distributions as the prior), as many principal components, and the 784 pixels:

{probe}

"""
DETECT = """\
## Detect

```bash
keras-vae detect RUN INPUT --false-alarm-rate 0.01 --out found.csv
```

![The most abnormal of the test images, and where](uses/maps.png)

The most abnormal test images under the model of all digits, each above a map of the pixels that
are less likely than is usual there. The threshold keeps the rate of false alarms: a normal
example is called an anomaly with at most that probability, whatever the score, because the
calibration images were not learnt from (conformal p-values).

### A digit that was left out

Ten models, each trained without one digit; AUROC of that digit's test images among those of the
other nine, D=32:

{leave_one_out}

![AUROC of each digit](uses/leave_one_out.png)

With D=2 the default score has {combined_2} on average, -ELBO {elbo_2}. Published: 0.855, and
0.718 for -ELBO at D=32 with digit 1 at 0.09.

### No digits at all

AUROC against the test images, model of all digits, D=32. A model of binary pixels, which is given
whether a pixel is above a half:

{gibberish_binary}

A model of grey pixels (a normal distribution whose variance is the optimal one), which sees
constant images of all 256 greys:

{gibberish_grey}

A constant image is likely under a model, which the plain likelihoods show; the default score is
not fooled.

### Tables

```bash
keras-vae train table.csv --label-column class --id-column id --out RUN
keras-vae detect RUN new.csv --out found.csv
```

AUROC of malignant rows of the breast-cancer table of scikit-learn, all learnt from the same 70 %
of the benign rows, the mean of {splits} splits; and beside it the mean over other tables, each
with one class as the normal one (three of scikit-learn, the others those of R packages; at most
400 rows to learn from), by which the default was chosen:

{tables}

On the breast-cancer table three baselines are better than the default score. Which detector is
best changes from table to table: where labelled anomalies are at hand, try them.

`kv.anomaly.AnomalyDetector().fit(rows)` trains its own model, as scikit-learn's detectors do.

### The rate of false alarms

Over 20 splits of the 10,000 test images into calibration and held-out halves:

{alarms}

Of a rate asked for, the binomial interval holds 95 % of held-out halves if the threshold were
exact; that of a calibration by 5,000 images scatters about as much again.

### How the default score was chosen

By held-out classes of training images, and by tables that are not the one above; no test set had
a part in it. Mean AUROC:

{chosen}

Of images the default adds the complexity-corrected likelihood and neighbours in z, of tables -ELBO
and neighbours of rows, each in units of its own spread. Mean AUROC by their weights, over four
digits of the training images that were left out, and over the tables; the default is 1 : 2:

{weights}

"""
DENSITY = """\
## Density

```bash
keras-vae score RUN INPUT --out scores.csv
```

![The most and the least likely test images](uses/density.png)

The ten test images of highest log p(x) above, those of lowest below: ones are simple, and likely
for that. The file has log p(x) in nats with the standard error of its 100 draws, bits for each
pixel, and the share of the training images that are less likely.

"""
RESTORE = """\
## Restore

```bash
keras-vae train INPUT --noise gaussian --noise-strength 0.5 --out RUN
keras-vae denoise RUN INPUT clean
keras-vae inpaint RUN INPUT filled --mask right --num-samples 3
keras-vae upscale RUN SMALL large --factor 2
```

![Test images, the same with noise, and restored](uses/denoise.png)

Test images, the same with normal noise of a standard deviation of {strength:g} that is not
clipped, and what a model makes of them that was trained with such noise in front of its encoder
(residual networks, D=64). Over the 10,000 test images, above the {noisy:.2f} dB of the noisy ones:

{denoised}

![Right halves filled in](uses/inpaint.png)

The right half of the test images is missing; below the images three draws of what may be there,
by Gibbs sampling from the model of all digits, D=32. A classifier that never saw a filled image
reads the label of {inpainted} images:

{accuracy}

What is known stays as it is, pixel for pixel, and two draws always differ. The digit can often be
told from its left half alone, which is why the empty half is no bad baseline.

![From 14 x 14 pixels to 28 x 28](uses/upscale.png)

Test images of 14 x 14 pixels, made larger by bicubic interpolation, and by the model of grey
pixels; the images themselves last.

"""
CONDITION = """\
## Condition

```bash
keras-vae train INPUT --conditional --out RUN
keras-vae generate RUN --label all -n 12 --out digits.png
keras-vae restyle RUN INPUT sevens --to 7
```

![Each digit in twelve styles](uses/condition.png)

A column is one z, a row one label: the style is held while the label changes. Of {images:,} images
that were asked for by label, a classifier trained apart on grey images reads (the model: gated
dense layers, D=10, a tenth of the labels left out in training, the KL weighted by {beta}):

{asked_for}

Spread is the variance of the pixels within a label beside that of test images: a mean image is
read best, and is one image. The more the KL weighs, the more of z is like the prior that new images
are drawn from, and the less it tells.

![Test digits as every other digit](uses/restyle.png)

Test images, and each of them as 0 to 9.

### Few labels

```bash
keras-vae train INPUT --labelled 100 --out RUN
keras-vae train INPUT --labelled FEW --out RUN
keras-vae classify RUN INPUT --out classes.csv
```

`kv.SemiSupervisedVAE` learns from images of which few have a label, `kv.data.few_labels` makes
the batches; on the command line 100 of the labels of INPUT are kept, or those of FEW stand beside
images without any. M1+M2 is for Python: the z of another model in place of x.

Test error with {labels} labels, ten of each digit, drawn {draws} times:

{few_labels}

M2 sums over the labels that are unknown; its classifier is two convolutions, its encoder and
decoder one dense layer each. M1+M2 is an M2 of the z of the residual model that compresses binary
pixels below, which was trained without labels. In the first {share:.0%} of the training of M2 the
weight of the KL falls from {first:g} to 1. How M2 and M1+M2 are trained was chosen by the labels of
10,000 validation images, with the first two draws; so was how long their classifier is trained on
the labelled images alone. Published, with dense layers: 11.97 % and 3.33 % (Kingma
et al. 2014, table 1, https://arxiv.org/abs/1406.5298).

"""
COMPRESS = """\
## Compress

```bash
keras-vae train INPUT --likelihood discretized_logistic --prior standard_normal --out RUN
keras-vae compress RUN INPUT images.kvz
keras-vae decompress RUN images.kvz images
```

Bits for each pixel of all {images:,} test images, each byte of the file counted, taken out again
by a new process and equal to what went in. Bits back is coded by residual networks, D=40:

{lossless}

PNG and WebP take each image for itself, and gzip, bz2 and xz all of them together; binary pixels
are packed, eight to a byte, for all but WebP. Published for bits back on MNIST: 0.19 binary, and
1.41 with 8 bits (Townsend et al. 2019, https://arxiv.org/abs/1901.04866). The model's own size,
{model_sizes}, is not counted: it pays where many images are kept or sent.

![Rate and distortion](uses/rate_distortion.png)

With loss, `--bits-per-pixel 0.1` keeps z in steps of the size that comes to this rate. The model
of grey pixels, D=32, beside JPEG with and without the header that each small file has; a VAE is
of no use at high rates, where z says no more.

A file can be read with the model that wrote it alone, which it names by its SHA-256, by the same
TensorFlow on the same kind of processor: a difference in the last bit of a number would end in
other images, and is found by a checksum.

"""
LIMITS = """\
## Limits

- A score ranks by what this model learnt from these images. It knows nothing of what an anomaly
  costs.
- The guarantee of a false-alarm rate is for new examples like the calibration ones. Where the
  data drift, calibrate anew.
- `combined`, `complexity` and the neighbours need more than the graph of a file can hold: an
  exported `score` decides by `negative_elbo`, `reconstruction_error` or `typicality`.
"""
