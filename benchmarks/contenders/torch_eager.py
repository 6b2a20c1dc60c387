"""The VAE of PyTorch tutorials: a loop over a DataLoader."""

import torch
from protocol import Rounds
from torch.nn import functional
from torch_networks import build


def tensor_of(images):
    """Return images `(N, H, W, C)` uint8 as `(N, C, H, W)` in [0, 1]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().float() / 255


def main():
    rounds = Rounds()
    rounds.begin()
    x, validation = tensor_of(rounds.images()), rounds.validation()
    encoder, decoder = build(rounds.shape, rounds.seed)
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x), rounds.shape.batch_size, shuffle=True
    )
    parameters = [*encoder.parameters(), *decoder.parameters()]
    rounds.parameters = sum(parameter.numel() for parameter in parameters)
    optimizer = torch.optim.Adam(parameters, lr=1e-3, eps=1e-7)

    def loss_of(batch):
        mean, log_var = encoder(batch).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        entropy = functional.binary_cross_entropy_with_logits(decoder(z), batch, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        return (entropy + kl) / len(batch)

    def step(batch):
        if validation is not None:
            batch = torch.bernoulli(batch)
        optimizer.zero_grad()
        loss = loss_of(batch)
        loss.backward()
        optimizer.step()
        rounds.step_is_done()
        return loss.item()

    def validate():
        with torch.no_grad():
            return loss_of(tensor_of(validation)).item()

    for epoch in range(rounds.epochs):
        if epoch:
            rounds.begin()
        total = 0.0
        for (batch,) in loader:
            total += step(batch) * len(batch)
        rounds.end(total / len(x), validate)


if __name__ == "__main__":
    main()
