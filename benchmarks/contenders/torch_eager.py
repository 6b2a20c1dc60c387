"""The VAE of PyTorch tutorials: a loop over a DataLoader."""

import torch
from protocol import Rounds
from torch.nn import functional
from torch_networks import build


def main():
    rounds = Rounds()
    x = torch.from_numpy(rounds.images()).permute(0, 3, 1, 2).contiguous().float() / 255
    encoder, decoder = build(rounds.shape, x.permute(0, 2, 3, 1).shape[1:])
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(x), rounds.shape.batch_size, shuffle=True
    )
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3, eps=1e-7)

    def step(batch):
        optimizer.zero_grad()
        mean, log_var = encoder(batch).chunk(2, dim=1)
        z = mean + torch.exp(0.5 * log_var) * torch.randn_like(mean)
        entropy = functional.binary_cross_entropy_with_logits(decoder(z), batch, reduction="sum")
        kl = -0.5 * torch.sum(1 + log_var - mean.pow(2) - log_var.exp())
        loss = (entropy + kl) / len(batch)
        loss.backward()
        optimizer.step()
        return loss.item()

    for epoch in range(rounds.epochs + 1):
        if epoch:
            rounds.begin()
        total = 0.0
        for (batch,) in loader:
            total += step(batch) * len(batch)
        if epoch:
            rounds.end(total / len(x))
        else:
            rounds.first_step_is_done()


if __name__ == "__main__":
    main()
