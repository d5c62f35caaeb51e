package app.muzzle.ui

import android.content.Context
import app.muzzle.R
import app.muzzle.core.CoreException
import app.muzzle.core.Outcome
import app.muzzle.core.Warning
import app.muzzle.service.Trouble

// Codes of the core, in the words of the phone's language.

val Outcome.word: Int
    get() =
        when (this) {
            Outcome.STOPPED -> R.string.outcome_stopped
            Outcome.ANSWERED -> R.string.outcome_answered
            Outcome.READABLE -> R.string.outcome_readable
            Outcome.ENCRYPTED -> R.string.outcome_encrypted
            Outcome.UNREAD -> R.string.outcome_unread
        }

val Outcome.icon: Int
    get() =
        when (this) {
            Outcome.STOPPED -> R.drawable.ic_stopped
            Outcome.ANSWERED -> R.drawable.ic_answered
            Outcome.READABLE -> R.drawable.ic_readable
            Outcome.ENCRYPTED -> R.drawable.ic_encrypted
            Outcome.UNREAD -> R.drawable.ic_unread
        }

val Outcome.color: Int
    get() =
        when (this) {
            Outcome.STOPPED, Outcome.ANSWERED -> R.color.stopped
            Outcome.READABLE -> R.color.readable
            Outcome.ENCRYPTED, Outcome.UNREAD -> R.color.encrypted
        }

/** The word for a code; the code itself for one that a later core has. */
fun Map<String, Int>.word(
    context: Context,
    code: String,
): String = this[code]?.let(context::getString) ?: code

/** Data kinds. */
val KINDS =
    mapOf(
        "visited-page" to R.string.kind_visited_page,
        "search" to R.string.kind_search,
        "content-viewed" to R.string.kind_content_viewed,
        "feature-used" to R.string.kind_feature_used,
        "media-played" to R.string.kind_media_played,
        "download" to R.string.kind_download,
        "identifier" to R.string.kind_identifier,
        "account" to R.string.kind_account,
        "device-fact" to R.string.kind_device_fact,
        "location" to R.string.kind_location,
        "network-fact" to R.string.kind_network_fact,
        "installed-apps" to R.string.kind_installed_apps,
        "crash" to R.string.kind_crash,
        "advertising" to R.string.kind_advertising,
        "other" to R.string.kind_other,
    )

/** What the owner should know about a choice; the code itself for what a later core says. */
fun warningWords(
    context: Context,
    warning: Warning,
    label: (String) -> String,
): String {
    val host = warning.host.orEmpty()
    return when (warning.code) {
        "never-block-host" ->
            warning.sideEffect?.ifEmpty { null }?.let { context.getString(R.string.warn_needed_for, host, it) }
                ?: context.getString(R.string.warn_needed, host)
        "unknown-app" -> context.getString(R.string.warn_app_gone, host, warning.packageName?.let(label).orEmpty())
        "unknown-list" -> context.getString(R.string.warn_list_gone, warning.list.orEmpty())
        else -> warning.code
    }
}

/** Why there was no protection, by the codes of [Trouble] and of what the app finds as it starts. */
val GAPS =
    mapOf(
        "boot" to R.string.gap_boot,
        "updated" to R.string.gap_updated,
        "killed" to R.string.gap_killed,
        Trouble.NOT_GRANTED.reason to R.string.gap_not_granted,
        Trouble.REVOKED.reason to R.string.gap_revoked,
        Trouble.OTHER_ALWAYS_ON.reason to R.string.gap_other_always_on,
        Trouble.NO_TUN.reason to R.string.gap_no_tun,
        Trouble.NO_STORE.reason to R.string.gap_no_store,
        Trouble.CORE_ENDED.reason to R.string.gap_core_ended,
    )

data class ErrorWords(
    val title: String,
    val advice: String,
)

/** What went wrong, and what to do. */
fun errorWords(
    context: Context,
    error: Throwable,
): ErrorWords {
    val code = (error as? CoreException)?.code ?: "system"
    val (title, advice) = ERRORS[code] ?: (R.string.error_title to R.string.error_advice)
    return ErrorWords(context.getString(title), context.getString(advice, code))
}

private val ERRORS =
    mapOf(
        "store-not-a-database" to (R.string.error_store_broken to R.string.error_store_broken_advice),
        "store-corrupt" to (R.string.error_store_broken to R.string.error_store_broken_advice),
        "store-foreign" to (R.string.error_store_broken to R.string.error_store_broken_advice),
        "store-newer" to (R.string.error_store_newer to R.string.error_store_newer_advice),
        "store-full" to (R.string.error_full to R.string.error_full_advice),
        "output-full" to (R.string.error_full to R.string.error_full_advice),
        "store-locked" to (R.string.error_locked to R.string.error_locked_advice),
    )

/** What the owner can do about it. */
val Trouble.words: Int
    get() =
        when (this) {
            Trouble.NOT_GRANTED -> R.string.trouble_not_granted
            Trouble.REVOKED -> R.string.trouble_revoked
            Trouble.OTHER_ALWAYS_ON -> R.string.trouble_other_always_on
            Trouble.NO_TUN -> R.string.trouble_no_tun
            Trouble.NO_STORE -> R.string.trouble_no_store
            Trouble.CORE_ENDED -> R.string.trouble_core_ended
        }
