"""Reading what the capture module captures, through libhpcapvf, on the machine that captures."""

from hpcapvf.capture.device import Batch, CaptureDevice, Frame, Loss

__all__ = ["Batch", "CaptureDevice", "Frame", "Loss"]
