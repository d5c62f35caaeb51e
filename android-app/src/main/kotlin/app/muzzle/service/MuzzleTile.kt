package app.muzzle.service

import android.annotation.SuppressLint
import android.app.PendingIntent
import android.content.ComponentName
import android.content.Context
import android.content.Intent
import android.net.VpnService
import android.service.quicksettings.Tile
import android.service.quicksettings.TileService
import app.muzzle.graph
import app.muzzle.ui.MainActivity
import app.muzzle.ui.stateWords

/** The tile of the quick settings: pauses, resumes, turns on. It never turns off: a pause ends by itself. */
class MuzzleTile : TileService() {
    private val changed: (ProtectionState) -> Unit = { show(it) }

    override fun onStartListening() {
        graph.protection.listen(changed)
        show(graph.protection.state)
    }

    override fun onStopListening() = graph.protection.forget(changed)

    override fun onClick() {
        when (graph.protection.state) {
            is ProtectionState.On -> if (isLocked) unlockAndRun(::pause) else pause()
            is ProtectionState.Paused -> graph.protection.resume()
            ProtectionState.Starting -> Unit
            ProtectionState.Off, is ProtectionState.Failed ->
                if (VpnService.prepare(this) == null) graph.protection.start() else openApp()
        }
    }

    private fun pause() = graph.protection.pause(MuzzleService.PAUSE_MINUTES)

    private fun show(state: ProtectionState) {
        val tile = qsTile ?: return
        tile.state = if (state is ProtectionState.On) Tile.STATE_ACTIVE else Tile.STATE_INACTIVE
        tile.label = stateWords(this, state).title
        tile.updateTile()
    }

    /** The way that is deprecated is the only one before 34. */
    @Suppress("DEPRECATION")
    @SuppressLint("StartActivityAndCollapseDeprecated")
    private fun openApp() {
        val intent = Intent(this, MainActivity::class.java).addFlags(Intent.FLAG_ACTIVITY_NEW_TASK)
        if (NewerApi.collapsesByPendingIntent) {
            NewerApi.collapse(this, PendingIntent.getActivity(this, 0, intent, PendingIntent.FLAG_IMMUTABLE))
        } else {
            startActivityAndCollapse(intent)
        }
    }

    companion object {
        fun refresh(context: Context) = requestListeningState(context, ComponentName(context, MuzzleTile::class.java))
    }
}
