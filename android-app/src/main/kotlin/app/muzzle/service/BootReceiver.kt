package app.muzzle.service

import android.content.BroadcastReceiver
import android.content.Context
import android.content.Intent
import app.muzzle.graph

/** After a start of the phone or an update of the app: takes up what was wanted before. */
class BootReceiver : BroadcastReceiver() {
    override fun onReceive(
        context: Context,
        intent: Intent,
    ) {
        if (intent.action in TAKEN) context.graph.wake()
    }

    private companion object {
        val TAKEN = setOf(Intent.ACTION_BOOT_COMPLETED, Intent.ACTION_MY_PACKAGE_REPLACED)
    }
}
