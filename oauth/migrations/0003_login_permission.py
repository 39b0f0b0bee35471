"""Who may connect accounts: the permission, given to the group "gateway admin"; "viewer" may look at logins.

Django makes permissions only after all migrations have run, so those named here are made here, exactly as
Django would (it then finds them). Going back takes them from the groups and leaves them, as they are Django's.
"""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

NAMES = {
    "connect_account": "Can connect an account by a login",
    "view_loginattempt": "Can view login attempt",
}
GRANTS = {"gateway admin": ("connect_account", "view_loginattempt"), "viewer": ("view_loginattempt",)}


def grant(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    Group = apps.get_model("auth", "Group")
    Permission = apps.get_model("auth", "Permission")
    ContentType = apps.get_model("contenttypes", "ContentType")
    content_type, _ = ContentType.objects.using(alias).get_or_create(app_label="oauth", model="loginattempt")
    for group_name, codenames in GRANTS.items():
        group, _ = Group.objects.using(alias).get_or_create(name=group_name)
        for codename in codenames:
            permission, _ = Permission.objects.using(alias).get_or_create(
                content_type=content_type, codename=codename, defaults={"name": NAMES[codename]}
            )
            group.permissions.add(permission)


def revoke(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    alias = schema_editor.connection.alias
    Permission = apps.get_model("auth", "Permission")
    for group in apps.get_model("auth", "Group").objects.using(alias).filter(name__in=GRANTS):
        group.permissions.remove(
            *Permission.objects.using(alias).filter(
                content_type__app_label="oauth", content_type__model="loginattempt", codename__in=NAMES
            )
        )


class Migration(migrations.Migration):
    dependencies = [
        ("oauth", "0002_login_attempt"),
        ("routing", "0002_groups"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]
    operations = [migrations.RunPython(grant, revoke)]
