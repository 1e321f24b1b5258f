"""`kuai.cuda.streams`: PyTorch's file of streams and events."""

from kuai.cuda import Event as Event, Stream as Stream
