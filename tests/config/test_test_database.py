"""The tests' own ground: they work as the application, and end where the migrations ended."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, Permission
from django.db import ProgrammingError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from core import scope
from core.principal import Principal
from tests import database


@pytest.mark.django_db
def test_tests_work_as_the_application_and_may_not_change_the_schema() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT session_user, current_database()")
        assert cursor.fetchone()[0] == "cadre_app"
        with pytest.raises(ProgrammingError, match="permission denied"):
            cursor.execute("CREATE TABLE mine (value text)")


@pytest.mark.django_db(transaction=True)
def test_restoring_removes_what_a_test_made_and_returns_what_it_deleted() -> None:
    reference = list(Permission.objects.order_by("pk").values_list("pk", "codename"))
    assert reference
    Group.objects.create(name="made by a test")
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM auth_permission")
    connection.close()
    database.restore_snapshot()
    assert list(Permission.objects.order_by("pk").values_list("pk", "codename")) == reference
    assert not Group.objects.filter(name="made by a test").exists()


def show_scope(request: HttpRequest) -> HttpResponse:
    """Answer with the scope that the request began with."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role'), current_setting('app.tenant_ids', true)")
        return HttpResponse("/".join(cursor.fetchone()))


urlpatterns = [path("scope", show_scope)]


@pytest.mark.django_db
@override_settings(ROOT_URLCONF=__name__)
def test_a_scope_bound_by_a_test_does_not_reach_its_requests(client: Client) -> None:
    scope.bind(Principal.system("tests.here"))
    assert client.get("/scope").content == b"none/"
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('role')")
        assert cursor.fetchone() == ("cadre_admin",)
