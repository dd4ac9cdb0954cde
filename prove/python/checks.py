"""How the parts say what must hold."""

import re

import mlflow
from mlflow.exceptions import MlflowException


def equal(got, expected, what=""):
    assert got == expected, f"{what or 'value'}: expected {expected!r}, got {got!r}"


def refused(code, call, *args, message="", **kwargs):
    """The call must be refused with MLflow's error code, and a message that has the pattern."""
    try:
        answer = call(*args, **kwargs)
    except MlflowException as error:
        equal(error.error_code, code, str(error))
        assert re.search(message, str(error)), f"{message!r} is not in {str(error)!r}"
        return
    raise AssertionError(f"{call.__name__} was to be refused with {code}, and answered {answer!r}")


def new_experiment(name):
    """An experiment of the part's own, in which its runs are started."""
    return mlflow.set_experiment(name).experiment_id
