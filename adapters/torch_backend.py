"""What the adapters of PyTorch libraries share: device, memory, and the check of the weights."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from adapters import base

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class TorchAdapter(base.Adapter):
    """A library on PyTorch."""

    _device: Any
    """The torch.device that it computes on."""

    def select_device(self, device: base.Device, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        name = "cpu"
        if device == "gpu":
            name = "mps" if torch.backends.mps.is_available() else "cuda"
            if name == "cuda" and not torch.cuda.is_available():
                raise RuntimeError(f"PyTorch {torch.__version__} finds no GPU on this machine")
        self._device = torch.device(name)

    @property
    def _dtype(self) -> str:
        """The type to compute in: float32 on a CPU, where float16 is slow."""
        return "float32" if self._device.type == "cpu" else "float16"

    def threads(self) -> int:
        import torch

        return int(torch.get_num_threads())

    @property
    @abstractmethod
    def _loaded_model(self) -> Any:
        """The loaded torch.nn.Module."""

    def device_in_use(self, log: str) -> base.Device:  # noqa: ARG002
        """Return where the weights of the loaded model are."""
        return "cpu" if self._loaded_model.device.type == "cpu" else "gpu"

    def accelerator_memory(self) -> int | None:
        """Return the peak in bytes on an NVIDIA GPU; PyTorch has no such figure for Apple's."""
        import torch

        return torch.cuda.max_memory_allocated() if self._device.type == "cuda" else None

    def reference(self, products: int) -> float:
        import torch

        size = base.REFERENCE_SIZE
        return base.multiplied(torch.full((size, size), 1 / size, device=self._device), products)


def check_tensors(file: Path, own: Mapping[str, Any], tied: frozenset[str] = frozenset()) -> None:
    """Raise WeightsError unless a model's tensors are those of a file, value by value.

    `tied` names tensors that share another one's values, so that a file may leave them out.
    """
    import torch

    if file.suffix == ".safetensors":
        from safetensors.torch import load_file

        stored = load_file(file)
    else:
        stored = torch.load(file, map_location="cpu", weights_only=True)["model_state_dict"]
    missing = sorted(own.keys() - stored.keys() - tied)
    extra = sorted(stored.keys() - own.keys())
    changed = sorted(
        name
        for name in own.keys() & stored.keys()
        if own[name].shape != stored[name].shape
        or not torch.equal(own[name].cpu(), stored[name].to(own[name].dtype))
    )
    if missing or extra or changed:
        raise base.WeightsError(
            f"expected the model's {len(own)} tensors as they are in the file; "
            f"{len(missing)} are not in it {missing[:3]}, {len(extra)} are not in the model "
            f"{extra[:3]}, {len(changed)} have other values {changed[:3]}"
        )
