"""Addresses of the experts' floor."""

from __future__ import annotations

from django.urls import path

from experts.api import agreements, credentials, decisions, documents, domains, profile, tokens

expert_urlpatterns = [
    path("", profile.Profile.as_view()),
    path("availability", profile.AvailabilityDetail.as_view()),
    path("domains", domains.ExpertDomains.as_view()),
    path("tokens", tokens.TokenList.as_view()),
    path("tokens/<str:token_id>/revoke", tokens.TokenRevoke.as_view()),
    path("documents", documents.DocumentList.as_view()),
    path("documents/<str:document_id>", documents.DocumentDetail.as_view()),
    path("downloads/<str:token>", documents.DocumentDownload.as_view()),
    path("credentials", credentials.CredentialList.as_view()),
    path("credentials/<str:credential_id>", credentials.CredentialDetail.as_view()),
    path("identity", credentials.IdentityList.as_view()),
    path("identity/<str:identity_id>", credentials.IdentityDetail.as_view()),
    path("agreements", agreements.AgreementList.as_view()),
    path("agreements/<str:version_id>", agreements.AgreementDetail.as_view()),
    path("agreements/<str:version_id>/sign", agreements.AgreementSign.as_view()),
    path("signatures", agreements.SignatureList.as_view()),
    path("signatures/<str:signature_id>", agreements.SignatureDetail.as_view()),
    path("signatures/<str:signature_id>/copy", agreements.SignatureCopy.as_view()),
    path("decisions", decisions.DecisionList.as_view()),
    path("decisions/<str:decision_id>", decisions.DecisionDetail.as_view()),
    path("appeals", decisions.AppealList.as_view()),
    path("appeals/<str:appeal_id>", decisions.AppealDetail.as_view()),
    path("appeals/<str:appeal_id>/withdraw", decisions.AppealWithdraw.as_view()),
    path("notices", decisions.NoticeList.as_view()),
    path("notices/<str:notice_id>/read", decisions.NoticeRead.as_view()),
]

lab_urlpatterns = [
    path("domains", domains.LabDomains.as_view()),
    # The profile is the root of the experts' paths; whoever leaves the last slash away finds it too.
    path("expert", profile.Profile.as_view(schema=None)),
]
