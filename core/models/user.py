"""People who log in, by e-mail."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from core import history
from core.models.base import CadreModel, PublicIdField
from core.walls import Wall


class UserManager(BaseUserManager["User"]):
    """Creates users by e-mail."""

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user with a hashed password; ``email`` is stored in lower case."""
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        """A user who may do everything in the admin; not a daily role."""
        return self.create_user(email, password, **{**fields, "is_staff": True, "is_superuser": True})

    def get_by_natural_key(self, username: str | None) -> User:
        """Look up by e-mail, whatever its case."""
        return self.get(email__iexact=username or "")


@history.tracked(exclude=["password", "last_login"])
class User(AbstractBaseUser, PermissionsMixin, CadreModel):
    """Somebody with a log-in: an expert, a lab's member, or staff."""

    wall = Wall.KERNEL

    public_id = PublicIdField(prefix="usr")
    email = models.EmailField(_("e-mail address"), max_length=254, unique=True)
    name = models.CharField(_("name"), max_length=200, blank=True)
    is_active = models.BooleanField(_("active"), default=True)
    is_staff = models.BooleanField(_("works for the platform"), default=False)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"

    class Meta:
        constraints = (models.CheckConstraint(condition=Q(email=Lower("email")), name="core_user_email_lower"),)
        ordering = ("email",)

    def __str__(self) -> str:
        return self.name or self.email

    def get_full_name(self) -> str:
        """His name, or his address where he gave none."""
        return self.name or self.email


# Django makes the tables behind these two by itself; a proxy of each is what history can be kept of.


@history.tracked()
class UserGroup(User.groups.through):  # type: ignore[name-defined,misc]  # made by Django while it runs
    """Who is in which group of operators: what gives most rights."""

    wall = Wall.KERNEL

    class Meta:
        proxy = True


@history.tracked()
class UserPermission(User.user_permissions.through):  # type: ignore[name-defined,misc]  # made by Django while it runs
    """Who was given a single right."""

    wall = Wall.KERNEL

    class Meta:
        proxy = True
