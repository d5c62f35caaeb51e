package app.muzzle.ui

import android.Manifest
import android.app.Activity
import android.content.ActivityNotFoundException
import android.content.pm.PackageManager
import android.net.VpnService
import android.os.SystemClock
import app.muzzle.graph
import app.muzzle.service.NewerApi
import app.muzzle.service.Trouble

/**
 * Turns protection on, by way of Android's own questions where they were not answered yet. [answered]
 * hears in the end whether the VPN is granted.
 */
class Grant(
    private val activity: Activity,
    private val answered: (Boolean) -> Unit,
) {
    private var askedAt = 0L

    /** Notifications first: the VPN works without them, so any answer will do. */
    fun turnOn() {
        val permission = Manifest.permission.POST_NOTIFICATIONS
        if (NewerApi.asksForNotifications && activity.checkSelfPermission(permission) != PackageManager.PERMISSION_GRANTED) {
            activity.requestPermissions(arrayOf(permission), NOTIFICATIONS)
        } else {
            askForVpn()
        }
    }

    fun permissionAnswered(request: Int) {
        if (request == NOTIFICATIONS) askForVpn()
    }

    fun activityAnswered(
        request: Int,
        result: Int,
    ) {
        if (request != VPN) return
        if (result == Activity.RESULT_OK) return granted()
        val atOnce = SystemClock.elapsedRealtime() - askedAt < AT_ONCE_MS
        refused(if (atOnce) Trouble.OTHER_ALWAYS_ON else Trouble.NOT_GRANTED)
    }

    private fun askForVpn() {
        val question = VpnService.prepare(activity) ?: return granted()
        askedAt = SystemClock.elapsedRealtime()
        try {
            activity.startActivityForResult(question, VPN)
        } catch (_: ActivityNotFoundException) {
            refused(Trouble.NOT_GRANTED)
        }
    }

    private fun granted() {
        activity.graph.protection.start()
        answered(true)
    }

    private fun refused(why: Trouble) {
        activity.graph.protection.refused(why)
        answered(false)
    }

    private companion object {
        const val NOTIFICATIONS = 71
        const val VPN = 72

        /**
         * Where another app is the always-on VPN, the system's dialog closes by itself and says no more than
         * that it was cancelled. Nobody reads and refuses it so soon.
         */
        const val AT_ONCE_MS = 400L
    }
}
