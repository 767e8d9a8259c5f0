/*
 * token.c - who is asking: the token of the one process, and the context of a caller.
 *
 * Drivers are the system, so the token is that of NT AUTHORITY\SYSTEM, with the administrators among its groups.
 * Nobody impersonates anybody, and nothing about it ever changes: locking a context has nothing to do.
 */
#include "nt/se/se.h"
#include "nt/ke/internal.h"
#include "nt/ob/ob.h"
#include "nt/ps/ps.h"

static const struct ob_type token_type = {.name = "Token"};

static struct se_token *system_token;

static struct se_token *make(void)
{
    struct se_token *token = ob_create_object(&token_type, sizeof *token);
    NTSTATUS status;

    KE_ASSERT(token != NULL);
    token->user = se_exports.SeLocalSystemSid;
    token->groups[0] = se_exports.SeAliasAdminsSid;
    token->groups[1] = se_exports.SeWorldSid;
    token->groups[2] = se_exports.SeAuthenticatedUsersSid;
    token->owner = se_exports.SeAliasAdminsSid;
    token->group = se_exports.SeLocalSystemSid;
    token->dacl.AclRevision = ACL_REVISION;
    token->dacl.AclSize = sizeof token->bytes;
    status = se_add_ace(&token->dacl, ACL_REVISION, ACCESS_ALLOWED_ACE_TYPE, 0, GENERIC_ALL, token->user);
    if (status == STATUS_SUCCESS)
        status = se_add_ace(&token->dacl, ACL_REVISION, ACCESS_ALLOWED_ACE_TYPE, 0,
                            GENERIC_READ | GENERIC_EXECUTE | READ_CONTROL, token->owner);
    KE_ASSERT(status == STATUS_SUCCESS);
    return token;
}

struct se_token *se_system_token(void)
{
    struct se_token *token = __atomic_load_n(&system_token, __ATOMIC_ACQUIRE), *nothing = NULL;

    if (token != NULL)
        return token;
    token = make();
    if (__atomic_compare_exchange_n(&system_token, &nothing, token, 0, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE))
        return token;
    ob_dereference_object(token);
    return nothing;
}

BOOLEAN se_token_has(const struct se_token *token, const SID *sid)
{
    unsigned i;

    if (se_equal_sid(token->user, sid))
        return TRUE;
    for (i = 0; i < SE_TOKEN_GROUPS; i++)
        if (se_equal_sid(token->groups[i], sid))
            return TRUE;
    return FALSE;
}

/* ---- WDK ---------------------------------------------------------------------------------------------- */

/* The token of a process, with a reference for the caller.  PASSIVE_LEVEL.  (ntifs PsReferencePrimaryToken) */
PACCESS_TOKEN NTAPI PsReferencePrimaryToken(PEPROCESS Process)
{
    struct se_token *token = se_system_token();

    KE_ASSERT(ob_object_type(Process) == &ob_process_type);
    ob_reference_object(token);
    return token;
}

/* Gives it back.  <= DISPATCH_LEVEL.  (ntifs PsDereferencePrimaryToken) */
VOID NTAPI PsDereferencePrimaryToken(PACCESS_TOKEN PrimaryToken)
{
    ob_dereference_object(PrimaryToken);
}

/* The caller's context; to be given back.  PASSIVE_LEVEL.  (wdm SeCaptureSubjectContext) */
VOID NTAPI SeCaptureSubjectContext(PSECURITY_SUBJECT_CONTEXT SubjectContext)
{
    struct se_token *token = se_system_token();

    ob_reference_object(token);
    SubjectContext->ClientToken = NULL;
    SubjectContext->ImpersonationLevel = SecurityAnonymous;
    SubjectContext->PrimaryToken = token;
    SubjectContext->ProcessAuditId = (PVOID)(ULONG_PTR)PS_SYSTEM_PROCESS_ID;
}

/* Nothing in it changes until it is unlocked.  (wdm SeLockSubjectContext) */
VOID NTAPI SeLockSubjectContext(PSECURITY_SUBJECT_CONTEXT SubjectContext)
{
    (void)SubjectContext;
}

/* (wdm SeUnlockSubjectContext) */
VOID NTAPI SeUnlockSubjectContext(PSECURITY_SUBJECT_CONTEXT SubjectContext)
{
    (void)SubjectContext;
}

/* Gives a captured context back.  (wdm SeReleaseSubjectContext) */
VOID NTAPI SeReleaseSubjectContext(PSECURITY_SUBJECT_CONTEXT SubjectContext)
{
    ob_dereference_object(SubjectContext->PrimaryToken);
    SubjectContext->PrimaryToken = NULL;
}
