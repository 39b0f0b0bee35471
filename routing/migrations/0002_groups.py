"""The three groups of people: gateway admin, key manager, viewer.

Django makes permissions only after all migrations have run, so those named here are made here, exactly as
Django would (it then finds them). Going back removes the groups and leaves the permissions, which are
Django's. A group that an operator already made by the same name is kept and given these permissions.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

GATEWAY = {
    "providers": ("provider", "credential"),
    "routing": ("modelalias", "modelexclusion", "clientkey", "gatewaysettings", "usagerecord"),
}
PEOPLE = {"auth": ("user", "group")}
ALL = ("add", "change", "delete", "view")
VIEW = ("view",)
NAMES = {
    "modelalias": "model alias",
    "modelexclusion": "model exclusion",
    "clientkey": "client key",
    "gatewaysettings": "gateway settings",
    "usagerecord": "usage record",
}

Grants = dict[tuple[str, str], tuple[str, ...]]


def every(models: Mapping[str, tuple[str, ...]], verbs: tuple[str, ...]) -> Grants:
    return {(app, model): verbs for app, names in models.items() for model in names}


GROUPS: dict[str, Grants] = {
    "gateway admin": every(GATEWAY, ALL) | every(PEOPLE, ALL),
    "key manager": {("routing", "clientkey"): ALL, ("routing", "usagerecord"): VIEW},
    "viewer": every(GATEWAY, VIEW),
}


def make_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    ContentType = apps.get_model("contenttypes", "ContentType")
    for name, grants in GROUPS.items():
        group, _ = Group.objects.using(alias).get_or_create(name=name)
        for (app, model), verbs in grants.items():
            content_type, _ = ContentType.objects.using(alias).get_or_create(app_label=app, model=model)
            for verb in verbs:
                permission, _ = Permission.objects.using(alias).get_or_create(
                    content_type=content_type,
                    codename=f"{verb}_{model}",
                    defaults={"name": f"Can {verb} {NAMES.get(model, model)}"},
                )
                group.permissions.add(permission)


def remove_groups(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    Group = apps.get_model("auth", "Group")
    Group.objects.using(schema_editor.connection.alias).filter(name__in=GROUPS).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(make_groups, remove_groups)]
