"""Networks that listen: pitch, speakers, voices."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional


class Crepe(nn.Module):
    """Pitch of a window of 1024 samples: six one-dimensional convolutions, 360 bins of pitch."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        channels = 1
        for layer in range(1, 7):
            weight = state[f"conv{layer}.weight"]
            stride = 4 if layer == 1 else 1
            self.add_module(
                f"conv{layer}", nn.Conv2d(channels, weight.shape[0], weight.shape[2:], (stride, 1))
            )
            channels = weight.shape[0]
            self.add_module(f"conv{layer}_BN", nn.BatchNorm2d(channels, eps=0.001))
        self.classifier = nn.Linear(state["classifier.weight"].shape[1], 360)

    def forward(self, windows: Tensor) -> Tensor:
        x = windows[:, None, :, None]
        for layer in range(1, 7):
            padding = (0, 0, 254, 254) if layer == 1 else (0, 0, 31, 32)
            x = self.get_submodule(f"conv{layer}")(functional.pad(x, padding))
            x = self.get_submodule(f"conv{layer}_BN")(functional.relu(x))
            x = functional.max_pool2d(x, (2, 1))
        return torch.sigmoid(self.classifier(x.permute(0, 2, 1, 3).flatten(1)))


class VoiceEncoder(nn.Module):
    """Who speaks: three LSTM layers over a mel spectrogram, a unit vector of 256 numbers."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)

    def forward(self, mels: Tensor) -> Tensor:
        _, (hidden, _) = self.lstm(mels)
        return functional.normalize(functional.relu(self.linear(hidden[-1])), dim=1)


class VoiceActivity(nn.Module):
    """Whether somebody speaks: a learnt spectrogram, four convolutions, an LSTM cell."""

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.stft_conv = nn.Conv1d(1, 258, 256, stride=128, bias=False)
        self.conv1 = nn.Conv1d(129, 128, 3, padding=1)
        self.conv2 = nn.Conv1d(128, 64, 3, stride=2, padding=1)
        self.conv3 = nn.Conv1d(64, 64, 3, stride=2, padding=1)
        self.conv4 = nn.Conv1d(64, 128, 3, padding=1)
        self.lstm_cell = nn.LSTMCell(128, 128)
        self.final_conv = nn.Conv1d(128, 1, 1)

    def forward(self, samples: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        x = self.stft_conv(functional.pad(samples, (0, 64), mode="reflect")[:, None])
        x = torch.sqrt(x[:, :129].square() + x[:, 129:].square())
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4):
            x = functional.relu(layer(x))
        h, c = self.lstm_cell(x.squeeze(-1), (state[0], state[1]))
        x = torch.sigmoid(self.final_conv(functional.relu(h)[:, :, None]))
        return x.mean(2), torch.stack([h, c])


def speech(*shape: int) -> Any:
    """Noise of the level of a voice."""
    return 0.1 * torch.randn(shape, generator=torch.Generator().manual_seed(0))
