package app.muzzle.ui

import android.content.Context
import app.muzzle.R
import app.muzzle.core.Counts
import app.muzzle.core.EventRow
import app.muzzle.core.HostList
import app.muzzle.core.Outcome
import app.muzzle.core.Rule
import app.muzzle.core.Verdict
import app.muzzle.settings.AppSetting
import java.text.NumberFormat
import java.util.IllformedLocaleException
import java.util.Locale

// What happened, in whole sentences of the phone's language.

/** Such as "Mi Browser tried to report a visited page". */
fun sentence(
    context: Context,
    row: EventRow,
    sender: String,
): String {
    val host = row.host ?: context.getString(R.string.host_unknown)
    val kind = row.kinds.firstOrNull { it != "other" }?.let { REPORTS[it] }?.let(context::getString)
    val held = row.outcome == Outcome.STOPPED || row.outcome == Outcome.ANSWERED
    return when {
        kind != null && held -> context.getString(R.string.tried_to_report, sender, kind)
        kind != null -> context.getString(R.string.reported, sender, kind)
        held -> context.getString(R.string.tried_to_reach, sender, host)
        row.outcome == Outcome.ENCRYPTED -> context.getString(R.string.sent_encrypted, sender, host)
        row.outcome == Outcome.UNREAD -> context.getString(R.string.sent_unread, sender, host)
        else -> context.getString(R.string.sent_something, sender, host)
    }
}

private val REPORTS =
    mapOf(
        "visited-page" to R.string.a_visited_page,
        "search" to R.string.a_search,
        "content-viewed" to R.string.a_content_viewed,
        "feature-used" to R.string.a_feature_used,
        "media-played" to R.string.a_media_played,
        "download" to R.string.a_download,
        "identifier" to R.string.a_identifier,
        "account" to R.string.a_account,
        "device-fact" to R.string.a_device_fact,
        "location" to R.string.a_location,
        "network-fact" to R.string.a_network_fact,
        "installed-apps" to R.string.a_installed_apps,
        "crash" to R.string.a_crash,
        "advertising" to R.string.a_advertising,
    )

/** Why it happened. */
val REASONS =
    mapOf(
        "listed-host" to R.string.reason_listed_host,
        "listed-address" to R.string.reason_listed_address,
        "host-override" to R.string.reason_host_override,
        "app-off" to R.string.reason_app_off,
        "app-record" to R.string.reason_app_record,
        "app-block" to R.string.reason_app_block,
        "never-block" to R.string.reason_never_block,
        "paused" to R.string.reason_paused,
        "unknown-allow" to R.string.reason_unknown_allow,
        "resolver-bypass" to R.string.reason_resolver_bypass,
        "limit" to R.string.reason_limit,
    )

/** What a host is for. */
val CATEGORIES =
    mapOf(
        "analytics" to R.string.category_analytics,
        "browser-analytics" to R.string.category_browser_analytics,
        "crash" to R.string.category_crash,
        "ads" to R.string.category_ads,
        "push" to R.string.category_push,
        "device-id" to R.string.category_device_id,
        "config" to R.string.category_config,
        "resolver-bypass" to R.string.category_resolver_bypass,
        "location" to R.string.category_location,
        "security" to R.string.category_security,
        "console" to R.string.category_console,
        "sdk" to R.string.category_sdk,
        "log-service" to R.string.category_log_service,
        "account" to R.string.category_account,
        "update" to R.string.category_update,
        "cloud" to R.string.category_cloud,
        "home" to R.string.category_home,
        "captive-portal" to R.string.category_captive_portal,
        "other" to R.string.category_other,
    )

val Verdict.word: Int
    get() =
        when (this) {
            Verdict.ALLOW -> R.string.verdict_allow
            Verdict.RECORD -> R.string.verdict_record
            Verdict.CAPTURE -> R.string.verdict_capture
            Verdict.BLOCK -> R.string.verdict_block
        }

/** What happens to a host, as a sentence. */
val Verdict.sentence: Int
    get() =
        when (this) {
            Verdict.ALLOW -> R.string.happens_allow
            Verdict.RECORD -> R.string.happens_record
            Verdict.CAPTURE -> R.string.happens_capture
            Verdict.BLOCK -> R.string.happens_block
        }

val AppSetting.word: Int
    get() =
        when (this) {
            AppSetting.BLOCK -> R.string.setting_block
            AppSetting.RECORD -> R.string.setting_record
            AppSetting.OFF -> R.string.setting_off
        }

/** Who runs it and what it is for. */
fun aboutRule(
    context: Context,
    rule: Rule,
): String =
    listOfNotNull(rule.owner, rule.category?.let { CATEGORIES.word(context, it) })
        .filter { it.isNotEmpty() }
        .joinToString(" · ")

/** The country's name; the code itself where it names none. */
fun countryWord(
    context: Context,
    code: String,
): String =
    try {
        Locale
            .Builder()
            .setRegion(code)
            .build()
            .getDisplayCountry(context.resources.configuration.locales[0])
            .ifEmpty { code }
    } catch (_: IllformedLocaleException) {
        code
    }

/** Such as "Singapore, Alibaba"; null where neither is known. */
fun placeWords(
    context: Context,
    country: String?,
    operator: String?,
): String? =
    listOfNotNull(country?.let { countryWord(context, it) }, operator)
        .filter { it.isNotEmpty() }
        .joinToString(", ")
        .ifEmpty { null }

/** Such as "imei" and "IMEI, hashed". */
fun identifierWord(
    context: Context,
    code: String,
): String {
    val word = IDENTIFIERS[code.removeSuffix("_hash")]?.let(context::getString) ?: return code
    return if (code.endsWith("_hash")) context.getString(R.string.id_hashed, word) else word
}

private val IDENTIFIERS =
    mapOf(
        "android_id" to R.string.id_android_id,
        "imei" to R.string.id_imei,
        "oaid" to R.string.id_oaid,
        "gaid" to R.string.id_gaid,
        "vaid" to R.string.id_vaid,
        "mac" to R.string.id_mac,
        "serial" to R.string.id_serial,
        "imsi" to R.string.id_imsi,
        "iccid" to R.string.id_iccid,
        "utdid" to R.string.id_utdid,
        "instance_id" to R.string.id_instance_id,
        "distinct_id" to R.string.id_distinct_id,
        "anonymous_id" to R.string.id_anonymous_id,
        "login_id" to R.string.id_login_id,
        "cookie_id" to R.string.id_cookie_id,
        "mi_account" to R.string.id_mi_account,
        "phone" to R.string.id_phone,
        "email" to R.string.id_email,
        "device_id" to R.string.id_device_id,
    )

/** What became of an app's or a host's events, in a few words. */
fun todayWords(
    context: Context,
    counts: Counts,
): String =
    if (counts.total == 0L) {
        context.getString(R.string.quiet_today)
    } else {
        context.getString(R.string.counts_today, countWords(context, counts))
    }

/** Such as "12 stopped · 3 passed, readable"; what is none is left out. */
fun countWords(
    context: Context,
    counts: Counts,
): String =
    listOf(counts.held to R.string.stopped, counts.readable to R.string.outcome_readable, counts.closed to R.string.outcome_encrypted)
        .filter { it.first > 0 }
        .joinToString(" · ") { NumberFormat.getIntegerInstance().format(it.first) + " " + context.getString(it.second) }

/** What a list says about a host. */
val LISTINGS =
    mapOf(
        "block" to R.string.listing_block,
        "record" to R.string.listing_record,
        "allow" to R.string.listing_allow,
        "never" to R.string.listing_never,
    )

/** Such as "64 rules · version 1". */
fun Context.aboutList(list: HostList): String =
    resources.getQuantityString(R.plurals.rules_found, list.rules, list.rules) + " · " + getString(R.string.lists_version, list.version)
