"""Who may look at logins: the groups "gateway admin" and "viewer". As in 0003_login_permission."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

PERMISSIONS = {
    "oauthtoken": "Can view login",
    "credentialevent": "Can view credential event",
    "quotareading": "Can view quota reading",
}
GROUPS = ("gateway admin", "viewer")


def grant(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    ContentType = apps.get_model("contenttypes", "ContentType")
    for model, name in PERMISSIONS.items():
        content_type, _ = ContentType.objects.using(alias).get_or_create(app_label="oauth", model=model)
        permission, _ = Permission.objects.using(alias).get_or_create(
            content_type=content_type, codename=f"view_{model}", defaults={"name": name}
        )
        for group_name in GROUPS:
            group, _ = Group.objects.using(alias).get_or_create(name=group_name)
            group.permissions.add(permission)


def revoke(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    codenames = [f"view_{model}" for model in PERMISSIONS]
    found = apps.get_model("auth", "Permission").objects.using(alias)
    for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=GROUPS):
        group.permissions.remove(*found.filter(content_type__app_label="oauth", codename__in=codenames))


class Migration(migrations.Migration):
    dependencies = [("oauth", "0003_login_permission")]
    operations = [migrations.RunPython(grant, revoke)]
