"""What is damaged made whole by what a VAE has learnt: noise, missing parts, small images."""

from keras_vae.restore.inpainting import inpaint
from keras_vae.restore.noise import KINDS, Noise, corrupt, noisy_encoder
from keras_vae.restore.resolution import shrink, upscale

__all__ = ["KINDS", "Noise", "corrupt", "inpaint", "noisy_encoder", "shrink", "upscale"]
