"""Unfold's admin classes and Django's forms, subscriptable by model.

For the type checker they are Django's own, which Unfold extends; at run time the subscript is dropped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.contrib.admin import ModelAdmin, TabularInline
    from django.forms import BaseInlineFormSet, ModelForm
else:
    from django import forms
    from django.utils.text import capfirst
    from unfold import admin as unfold_admin
    from unfold.forms import PaginationInlineFormSet

    class Subscriptable:
        """``X[Credential]`` is X."""

        def __class_getitem__(cls, models: Any) -> type:
            return cls

    class ModelAdmin(Subscriptable, unfold_admin.ModelAdmin):
        def changelist_view(self, request: Any, extra_context: Any = None) -> Any:
            """A list is called by what it lists, not "Select … to change"."""
            title = capfirst(self.opts.verbose_name_plural)
            return super().changelist_view(request, {"title": title, **(extra_context or {})})

    class TabularInline(Subscriptable, unfold_admin.TabularInline):
        pass

    class BaseInlineFormSet(Subscriptable, PaginationInlineFormSet):
        pass

    class ModelForm(Subscriptable, forms.ModelForm):
        pass


__all__ = ["BaseInlineFormSet", "ModelAdmin", "ModelForm", "TabularInline"]
