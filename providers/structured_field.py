"""A form field for a JSON column with a shape: edited as YAML, which people can read, checked before it is
saved. An empty field means the empty value."""

from __future__ import annotations

import io
from typing import Any

import msgspec
from django import forms
from django.core.exceptions import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from unfold.widgets import UnfoldAdminTextareaWidget

from providers import json_columns

TEXT_LIMIT = 100_000


def as_yaml(value: Any) -> str:
    """``value`` as a person reads it; "" for what is empty."""
    if not value:
        return ""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # as ruamel documents it
    yaml.width = 100
    yaml.allow_unicode = True
    stream = io.StringIO()
    yaml.dump(value, stream)
    return stream.getvalue()


class StructuredField(forms.CharField):
    """``shape`` is what msgspec converts to, ``empty`` what an empty text stands for."""

    def __init__(self, shape: Any, empty: Any, *, rows: int = 4, example: str = "", **kwargs: Any) -> None:
        kwargs.setdefault("required", False)
        kwargs.setdefault("max_length", TEXT_LIMIT)
        attrs = {"rows": rows, "spellcheck": "false", "class": "font-mono", "placeholder": example}
        kwargs.setdefault("widget", UnfoldAdminTextareaWidget(attrs))
        super().__init__(**kwargs)
        self.shape = shape
        self.empty = empty

    def prepare_value(self, value: Any) -> Any:
        return value if isinstance(value, str) else as_yaml(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        try:
            return bool(self.clean(data) != (initial or self.empty))
        except ValidationError:
            return True

    def clean(self, value: Any) -> Any:
        text = str(super().clean(value) or "")
        if not text.strip():
            return self.empty
        try:
            loaded = YAML(typ="safe", pure=True).load(text)
        except MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise ValidationError(f"Line {line} is not YAML.", code="yaml") from error
        except (YAMLError, ValueError, RecursionError) as error:
            raise ValidationError("It is not YAML.", code="yaml") from error
        if loaded is None:
            return self.empty
        try:
            return json_columns.plain(msgspec.convert(loaded, self.shape))
        except (msgspec.ValidationError, TypeError, ValueError) as error:
            raise ValidationError(f"{error}.", code="shape") from error
