package app.muzzle.service

import android.content.ComponentName
import android.content.Context
import android.content.Intent
import android.net.Uri
import android.os.Build
import android.os.PowerManager
import android.provider.Settings
import app.muzzle.R

/** What keeps the phone from ending us; in the order in which MIUI and HyperOS keep it. */
enum class KeepStep(
    val code: String,
    val title: Int,
    val text: Int,
    val xiaomi: Boolean,
) {
    AUTOSTART("step-autostart", R.string.step_autostart, R.string.step_autostart_text, true),
    BACKGROUND("step-background", R.string.step_background, R.string.step_background_text, true),
    BATTERY("step-battery", R.string.step_battery, R.string.step_battery_text, false),
    ALWAYS_ON("step-always-on", R.string.step_always_on, R.string.step_always_on_text, false),
}

enum class KeepState { DONE, OPEN, UNKNOWN }

/** Reads how the phone treats us, and knows the pages where that is changed. */
class KeepAlive(
    private val context: Context,
    private val maker: String = Build.MANUFACTURER,
) {
    fun steps(): List<KeepStep> = KeepStep.entries.filter { !it.xiaomi || maker.lowercase() in XIAOMI }

    fun state(step: KeepStep): KeepState =
        when (step) {
            KeepStep.AUTOSTART -> autostart()
            KeepStep.BACKGROUND -> KeepState.UNKNOWN
            KeepStep.BATTERY -> battery()
            KeepStep.ALWAYS_ON -> alwaysOn()
        }

    /** MIUI and HyperOS tell by a class of their own; without it nothing is known. */
    private fun autostart(): KeepState =
        try {
            val tells = Class.forName(MIUI_OPS).getMethod("getApplicationAutoStart", Context::class.java, String::class.java)
            if (tells.invoke(null, context, context.packageName) == ALLOWED) KeepState.DONE else KeepState.OPEN
        } catch (_: ReflectiveOperationException) {
            KeepState.UNKNOWN
        }

    private fun battery(): KeepState {
        val power = context.getSystemService(PowerManager::class.java) ?: return KeepState.UNKNOWN
        return if (power.isIgnoringBatteryOptimizations(context.packageName)) KeepState.DONE else KeepState.OPEN
    }

    /** The system tells which app it is only up to Android 11. */
    private fun alwaysOn(): KeepState =
        try {
            val app = Settings.Secure.getString(context.contentResolver, ALWAYS_ON_APP)
            if (app ==
                context.packageName
            ) {
                KeepState.DONE
            } else if (Build.VERSION.SDK_INT < TOLD_BELOW) {
                KeepState.OPEN
            } else {
                KeepState.UNKNOWN
            }
        } catch (_: SecurityException) {
            KeepState.UNKNOWN
        }

    /** Pages for a step, the best first; later ones are for phones that lack it. */
    fun pages(step: KeepStep): List<Intent> {
        val own = Uri.fromParts("package", context.packageName, null)
        val details = Intent(Settings.ACTION_APPLICATION_DETAILS_SETTINGS, own)
        return when (step) {
            KeepStep.AUTOSTART ->
                listOf(
                    miui("permcenter.autostart.AutoStartManagementActivity"),
                    Intent("miui.intent.action.OP_AUTO_START"),
                    details,
                )
            KeepStep.BACKGROUND ->
                listOf(
                    miui("permcenter.permissions.PermissionsEditorActivity").putExtra("extra_pkgname", context.packageName),
                    Intent("miui.intent.action.APP_PERM_EDITOR").putExtra("extra_pkgname", context.packageName),
                    details,
                )
            KeepStep.BATTERY -> listOf(Intent(Settings.ACTION_IGNORE_BATTERY_OPTIMIZATION_SETTINGS), details)
            KeepStep.ALWAYS_ON -> listOf(Intent(Settings.ACTION_VPN_SETTINGS), Intent(Settings.ACTION_SETTINGS))
        }
    }

    private fun miui(page: String) = Intent().setComponent(ComponentName(MIUI, "com.miui.$page"))

    private companion object {
        const val MIUI = "com.miui.securitycenter"
        const val MIUI_OPS = "android.miui.AppOpsUtils"
        const val ALLOWED = 0
        const val ALWAYS_ON_APP = "always_on_vpn_app"
        const val TOLD_BELOW = Build.VERSION_CODES.S
        val XIAOMI = setOf("xiaomi", "redmi", "poco")
    }
}
