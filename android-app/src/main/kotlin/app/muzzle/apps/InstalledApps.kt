package app.muzzle.apps

import android.content.pm.ApplicationInfo
import android.content.pm.PackageManager
import android.graphics.drawable.Drawable
import android.os.StrictMode

/** An app on the phone. */
data class InstalledApp(
    val packageName: String,
    val uid: Int,
    val label: String,
    val system: Boolean,
) {
    val xiaomi get() = packageName in XIAOMI_APPS || XIAOMI_PREFIXES.any { packageName.startsWith(it) }

    /** Uploads what other apps hand to it. */
    val sendsForOthers get() = packageName in SHARED_UPLOADERS
}

/** Uploaders that send in other apps' names. */
private val SHARED_UPLOADERS = setOf("com.miui.analytics", "com.xiaomi.xmsf")

private val XIAOMI_PREFIXES = listOf("com.miui.", "com.xiaomi.", "com.mi.", "com.duokan.", "com.mipay.")

/** Apps that MIUI ships under names of their own. */
private val XIAOMI_APPS = setOf("com.android.browser", "com.android.quicksearchbox", "com.android.thememanager")

/** What is installed; reads the package manager, so not for the main thread. */
class InstalledApps(
    private val packages: PackageManager,
    private val own: String,
) {
    fun all(): List<InstalledApp> =
        asked()
            .getInstalledApplications(0)
            .filter { it.packageName != own }
            .map(::describe)
            .sortedBy { it.label.lowercase() }

    fun find(packageName: String): InstalledApp? =
        try {
            describe(asked().getApplicationInfo(packageName, 0))
        } catch (_: PackageManager.NameNotFoundException) {
            null
        }

    /** Null where it is not installed. */
    fun icon(packageName: String): Drawable? =
        try {
            asked().getApplicationIcon(packageName)
        } catch (_: PackageManager.NameNotFoundException) {
            null
        }

    private fun asked(): PackageManager {
        StrictMode.noteSlowCall("packages")
        return packages
    }

    fun uids(packageName: String): List<Int> = listOfNotNull(find(packageName)?.uid)

    private fun describe(info: ApplicationInfo) =
        InstalledApp(
            info.packageName,
            info.uid,
            info.loadLabel(packages).toString(),
            info.flags and ApplicationInfo.FLAG_SYSTEM != 0,
        )
}
