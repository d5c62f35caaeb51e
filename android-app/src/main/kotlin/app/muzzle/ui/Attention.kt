package app.muzzle.ui

import android.content.Context
import android.content.Intent
import android.os.PowerManager
import android.os.UserManager
import android.provider.Settings
import app.muzzle.Graph
import app.muzzle.R
import app.muzzle.core.Core
import app.muzzle.service.Trouble
import app.muzzle.service.connectivity
import app.muzzle.service.privateDnsName
import java.text.DateFormat
import java.util.Date

/** Something that keeps protection from working as it should. Shown only while it is true. */
data class Attention(
    /** Names it among those that the owner hid. */
    val code: String,
    val title: String,
    val text: String,
    /** Where it is put right; null where there is nothing to do any more. */
    val fix: Intent? = null,
)

/** All that is true now and that the owner did not hide. Reads the disk. */
fun attentionOf(
    context: Context,
    graph: Graph,
): List<Attention> {
    val all =
        listOfNotNull(
            storeTrouble(context, graph.core),
            settingsTrouble(context, graph),
            logAside(context, graph),
            noNetwork(context),
            privateDns(context),
            batteryLimit(context),
            otherUsers(context),
        ) + gapsOf(context, graph.core, graph.clock.millis())
    val hidden = graph.settings.now.dismissed
    return all.filter { it.code !in hidden }
}

/** Times without protection in the last day. */
fun gapsOf(
    context: Context,
    core: Core,
    now: Long,
): List<Attention> =
    core.gaps(now - DAY_MS).map { gap ->
        val format = DateFormat.getTimeInstance(DateFormat.SHORT)
        val end = gap.end?.let { format.format(Date(it)) } ?: context.getString(R.string.now)
        Attention(
            "gap-${gap.start}",
            context.getString(R.string.attention_gap),
            context.getString(R.string.attention_gap_text, format.format(Date(gap.start)), end, GAPS.word(context, gap.reason)),
            gapFix(context, gap.reason),
        )
    }

private fun gapFix(
    context: Context,
    reason: String,
): Intent? =
    when (reason) {
        "killed", "boot" -> Intent(context, KeepAliveActivity::class.java)
        Trouble.REVOKED.reason, Trouble.OTHER_ALWAYS_ON.reason -> Intent(Settings.ACTION_VPN_SETTINGS)
        else -> null
    }

private fun privateDns(context: Context): Attention? {
    val provider = privateDnsName(context) ?: return null
    return Attention(
        "private-dns",
        context.getString(R.string.attention_private_dns),
        context.getString(R.string.attention_private_dns_text, provider),
        Intent(Settings.ACTION_WIRELESS_SETTINGS),
    )
}

private fun batteryLimit(context: Context): Attention? {
    val power = context.getSystemService(PowerManager::class.java) ?: return null
    if (power.isIgnoringBatteryOptimizations(context.packageName)) return null
    return Attention(
        "battery",
        context.getString(R.string.attention_battery),
        context.getString(R.string.attention_battery_text),
        Intent(Settings.ACTION_IGNORE_BATTERY_OPTIMIZATION_SETTINGS),
    )
}

/** Dual apps and a work profile are users of their own; a second space does not show here. */
private fun otherUsers(context: Context): Attention? {
    val users = context.getSystemService(UserManager::class.java)?.userProfiles?.size ?: 1
    if (users < 2) return null
    return Attention(
        "other-users",
        context.getString(R.string.attention_other_users),
        context.getString(R.string.attention_other_users_text),
    )
}

private fun storeTrouble(
    context: Context,
    core: Core,
): Attention? {
    val state = core.storeState()
    if (state == "good") return null
    return Attention(
        "store-$state",
        context.getString(R.string.attention_store),
        context.getString(if (state == "full") R.string.attention_store_full_text else R.string.attention_store_text, state),
        if (state == "full") Intent(Settings.ACTION_INTERNAL_STORAGE_SETTINGS) else null,
    )
}

private fun settingsTrouble(
    context: Context,
    graph: Graph,
): Attention? {
    val aside = graph.settings.putAside ?: return null
    return Attention(
        "settings-unreadable",
        context.getString(R.string.attention_settings),
        context.getString(R.string.attention_settings_text, aside.name),
    )
}

/** The log began anew. The name of its file tells one such time from another. */
private fun logAside(
    context: Context,
    graph: Graph,
): Attention? {
    val aside = graph.logFiles.damaged() ?: return null
    return Attention(
        "log-${aside.name}",
        context.getString(R.string.attention_log),
        context.getString(R.string.attention_log_text, aside.name),
    )
}

private fun noNetwork(context: Context): Attention? {
    if (context.connectivity.activeNetwork != null) return null
    return Attention(
        "no-network",
        context.getString(R.string.attention_no_network),
        context.getString(R.string.attention_no_network_text),
        Intent(Settings.ACTION_WIRELESS_SETTINGS),
    )
}

const val DAY_MS = 86_400_000L
