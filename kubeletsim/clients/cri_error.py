"""This module is the translation of gRPC's failures into the error tree of `model/errors.py`, made once for all calls.

Only the code decides which error it is, as upstream; the text is for people and reads as Go's client would put it.
"""

import grpc

from kubeletsim.base.rpc_status import go_code, go_message
from kubeletsim.model.errors import CRIError, DeadlineExceeded, NotFound, RuntimeUnavailable

_ERRORS: dict[grpc.StatusCode, type[CRIError]] = {
    grpc.StatusCode.UNAVAILABLE: RuntimeUnavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: NotFound,
}


def cri_error(error: grpc.aio.AioRpcError, *, rpc: str) -> CRIError:
    """Return our error for gRPC's; raise it `from` the argument."""
    code = error.code()
    kind = _ERRORS.get(code, CRIError)
    return kind(go_message(code, error.details()), code=go_code(code), rpc=rpc)
