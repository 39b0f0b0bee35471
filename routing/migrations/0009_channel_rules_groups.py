"""Who may see and change aliases and exclusions of logins: the groups of 0002, as for those of keys.

Django makes permissions only after all migrations have run, so those named here are made here, exactly as
Django would (it then finds them). Going back takes them from the groups and leaves them, as they are Django's.
"""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

MODELS = {"channelalias": "channel alias", "channelexclusion": "channel exclusion"}
GRANTS = {"gateway admin": ("add", "change", "delete", "view"), "viewer": ("view",)}


def grant(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    ContentType = apps.get_model("contenttypes", "ContentType")
    for model, name in MODELS.items():
        content_type, _ = ContentType.objects.using(alias).get_or_create(app_label="routing", model=model)
        for group_name, verbs in GRANTS.items():
            group, _ = Group.objects.using(alias).get_or_create(name=group_name)
            for verb in verbs:
                permission, _ = Permission.objects.using(alias).get_or_create(
                    content_type=content_type,
                    codename=f"{verb}_{model}",
                    defaults={"name": f"Can {verb} {name}"},
                )
                group.permissions.add(permission)


def revoke(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    Permission = apps.get_model("auth", "Permission")
    held = Permission.objects.using(alias).filter(
        content_type__app_label="routing", content_type__model__in=MODELS
    )
    for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=GRANTS):
        group.permissions.remove(*held)


class Migration(migrations.Migration):
    dependencies = [
        ("routing", "0008_usage_decision"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(grant, revoke)]
